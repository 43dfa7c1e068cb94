"""Recipes of face networks: every file says what can be trained, and how, before any corpus is there."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from avfer.catalog import NAMES, find, kind_of
from avfer.models.weights import card_of
from avfer.training.engine.optimiser import make_optimiser
from avfer.training.own_losses import LOSSES
from avfer.training.images.image_model import create_network
from avfer.training.training_config import read_config

ROOT = Path(__file__).parents[2] / "configs" / "train"
EVERY = sorted(ROOT.glob("*.yaml"))
PICTURES = [path for path in EVERY if kind_of(read_config(path).model) == "backbone"]
SYSTEMS = {"poster", "poster_v2", "dan", "hmtl", "psr", "efficientface", "pf_vit", "aver_teacher", "aver_student"}


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_every_recipe_is_a_configuration_of_known_names(path):
    config = read_config(path)
    assert config.corpus in NAMES["corpus"]
    assert kind_of(config.model)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_networks_of_recipes_have_what_their_losses_and_targets_read(path):
    config = read_config(path)
    assert config.output.name == path.stem, "experiments do not share a folder"
    with torch.device("meta"):
        model = find("backbone", config.model)(**config.model_options)
    card = card_of(config.model, **config.model_options)
    for name in config.losses:
        assert not LOSSES[name].needs or LOSSES[name].needs in model.offers
    assert make_optimiser(model, config.optimiser)  # its rates name parts that are there
    assert "valence_arousal" not in config.targets or card.valence_arousal
    offered = re.findall(r"^# (start: .*)$", path.read_text(), re.MULTILINE)
    for name in yaml.safe_load(offered[0])["start"] if offered else ():
        assert name in model.start_parts()


@pytest.mark.parametrize(("recipe", "first"), [("dan_raf_db", "surprise"), ("efficientface_raf_db", "neutral")])
def test_classes_stand_as_in_the_authors_files_for_the_corpus(recipe, first):
    """Both trained on RAF-DB, but number its classes differently."""
    config = read_config(ROOT / f"{recipe}.yaml")
    names = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    _, card = create_network(config, sorted(names))
    assert card.classes[0] == first and sorted(card.classes) == sorted(names)


def test_every_surveyed_face_network_has_a_recipe():
    assert {read_config(path).model for path in PICTURES} >= SYSTEMS


@pytest.mark.parametrize("name", ["poster_raf_db", "poster_affectnet", "poster_v2_raf_db", "poster_v2_affectnet"])
def test_posters_learn_with_sharpness_aware_steps(name):
    assert read_config(ROOT / f"{name}.yaml").optimiser.sam == 0.05


def test_weights_of_a_poster_are_the_sum_of_its_two_losses():
    """Twice the cross-entropy with smoothing 0.2 and once the plain one."""
    loss = read_config(ROOT / "poster_raf_db.yaml").loss
    logits, target = torch.randn(6, 7), torch.arange(6)

    def entropy(smoothing: float) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, target, label_smoothing=smoothing)

    wanted = 2 * entropy(0.2) + entropy(0.0)
    assert (loss.expression * entropy(loss.smoothing)).item() == pytest.approx(wanted.item(), rel=1e-4)
