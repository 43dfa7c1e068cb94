"""Recipes of face networks: names, losses and rates fit the network; no corpus is needed to check them."""

import math
import re
from pathlib import Path

import pytest
import torch
import yaml

from avfer.catalog import NAMES, find, kind_of
from avfer.losses.hmtl_losses import puzzle_loss
from avfer.models.network import FaceNetwork, find_network
from avfer.models.weights import card_of
from avfer.training.engine.optimiser import make_optimiser, make_schedule, rates_at
from avfer.training.images.image_model import create_network
from avfer.training.labels import TargetNames
from avfer.training.training_config import read_config

ROOT = Path(__file__).parents[3] / "configs" / "train"
RECIPES = sorted(ROOT.glob("*.yaml"))
IMAGES = [path for path in RECIPES if kind_of(read_config(path).model) == "backbone"]
SYSTEMS = {"poster", "poster_v2", "dan", "hmtl", "psr", "efficientface", "pf_vit", "aver_teacher", "aver_student"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_has_a_known_corpus_and_model(path):
    config = read_config(path)
    assert config.corpus in NAMES["corpus"]
    assert kind_of(config.model)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_the_network_of_a_recipe_suits_its_losses_rates_targets_and_start(path):
    config = read_config(path)
    assert config.output.name == path.stem, "recipes do not share an output folder"
    with torch.device("meta"):
        model = find_network(config.model, FaceNetwork)(**config.model_options)
    card = card_of(config.model, **config.model_options)
    for name in config.losses:
        assert find("loss", name).needs <= model.offers
    assert make_optimiser(model, config.optimiser)  # its rates name existing parts
    assert "valence_arousal" not in config.targets or card.valence_arousal
    starts = re.findall(r"^(?:# )?(start: .*)$", path.read_text(), re.MULTILINE)
    for name in yaml.safe_load(starts[0])["start"] if starts else ():
        assert name in model.start_parts()


@pytest.mark.parametrize(("recipe", "first"), [("dan_raf_db", "surprise"), ("efficientface_raf_db", "neutral")])
def test_classes_are_in_the_order_of_the_official_files_for_the_corpus(recipe, first):
    """Both were trained on RAF-DB, but number its classes differently."""
    config = read_config(ROOT / f"{recipe}.yaml")
    names = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    _, card = create_network(config, TargetNames(tuple(sorted(names))))
    assert card.classes[0] == first and sorted(card.classes) == sorted(names)


def test_every_surveyed_face_network_has_a_recipe():
    assert {read_config(path).model for path in IMAGES} >= SYSTEMS


@pytest.mark.parametrize("name", ["poster_raf_db", "poster_affectnet", "poster_v2_raf_db", "poster_v2_affectnet"])
def test_posters_are_trained_with_sharpness_aware_steps(name):
    assert read_config(ROOT / f"{name}.yaml").optimiser.sam == 0.05


def test_the_loss_of_a_poster_equals_the_sum_of_its_two_losses():
    """Twice the cross-entropy with smoothing 0.2 and once the plain one."""
    loss = read_config(ROOT / "poster_raf_db.yaml").loss
    logits, target = torch.randn(6, 7), torch.arange(6)

    def entropy(smoothing: float) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, target, label_smoothing=smoothing)

    expected = 2 * entropy(0.2) + entropy(0.0)
    assert (loss.expression * entropy(loss.smoothing)).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("efficientface_raf_db", {0: 0.1, 75: 1e-3, 89: 1e-3, 90: 1e-4}),
        ("efficientface_affectnet", {0: 0.1, 6: 1e-2, 19: 1e-4}),
        ("efficientface_caer_s", {0: 0.1, 49: 0.1, 50: 0.05, 399: 0.00078125}),
    ],
)
def test_efficientface_learns_at_the_rates_of_the_authors_logs(name, rates):
    config, steps = read_config(ROOT / f"{name}.yaml"), 10
    optimiser = make_optimiser(torch.nn.Linear(2, 2), config.optimiser)
    schedule = make_schedule(optimiser, config.optimiser, config.epochs * steps, steps)
    for epoch, rate in rates.items():
        assert epoch < config.epochs <= config.patience
        assert rates_at(schedule, epoch * steps) == pytest.approx([rate])


@pytest.mark.parametrize("name", ["psr_ferplus", "psr_raf_db", "psr_affectnet"])
def test_psr_is_trained_with_the_defaults_of_its_authors_library(name):
    """The values of fastai 1 that their configurations leave out: betas, and the chance of each change of an image."""
    config = read_config(ROOT / f"{name}.yaml")
    assert config.optimiser.betas == (0.9, 0.99) and config.optimiser.weight_decay == 0.01
    assert (config.augmentation.flip, config.augmentation.moved, config.augmentation.jittered) == (0.5, 0.75, 0.75)
    assert config.augmentation.jitter == 0.2


def test_both_stages_of_psr_decay_weights_equally():
    """Without gradients and at a constant rate, `adamw` and `sgd` shrink a weight by the same factor."""
    recipe = ROOT / "psr_ferplus.yaml"
    changes = re.findall(r"--set\s+(?:# )?(optimiser\.[\w.]+)=([\w.]+)", recipe.read_text())
    second = {key: yaml.safe_load(value) for key, value in changes}
    assert second.pop("optimiser.name") == "sgd"
    shrunk = []
    for config in (read_config(recipe), read_config(recipe, {"optimiser.name": "sgd", **second})):
        layer = torch.nn.Linear(2, 2)
        start = layer.weight.detach().clone()
        optimiser = make_optimiser(layer, config.optimiser.model_copy(update={"rates": {}, "rate": 0.1}))
        for _ in range(400):
            for parameter in layer.parameters():
                parameter.grad = torch.zeros_like(parameter)
            optimiser.step()
        shrunk.append(float((layer.weight.detach() / start).log().mean()))
    assert shrunk[1] == pytest.approx(shrunk[0], rel=0.05)


@pytest.mark.parametrize("name", ["hmtl_affectnet", "hmtl_puzzle_affectnet", "hmtl_affectnet_va"])
def test_crops_of_hmtl_keep_the_share_of_the_sides_of_the_authors(name):
    """Their 0.69 is a share of each side, `crop` of the area."""
    assert read_config(ROOT / f"{name}.yaml").augmentation.crop == pytest.approx(0.69**2, abs=0.001)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_nothing_is_erased_from_images_that_a_loss_restores(path):
    config = read_config(path)
    restores = {"inpainting", "reconstruction", "masked_patches"} & set(config.losses)
    assert not (restores and config.augmentation.erase)


@pytest.mark.parametrize("name", ["hmtl_puzzle_affectnet", "hmtl_affectnet_va"])
def test_the_puzzles_of_hmtl_count_as_one_loss(name):
    """The mean over nine positions, times the loss of the labels: a plain sum would hide a squared error of 0.1."""
    config = read_config(ROOT / f"{name}.yaml")
    at_chance = puzzle_loss(torch.zeros(2, 9, 9), torch.arange(9).expand(2, -1))
    assert config.losses["puzzle"] * at_chance.item() == pytest.approx(math.log(9), rel=1e-3)
    assert config.combine == "geometric_mean"
