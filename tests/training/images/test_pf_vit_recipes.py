"""PF-ViT by its own recipes, from pre-training without labels to a classifier, on a dozen synthetic images."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch import nn

from avfer.models.card_files import read_card
from avfer.models.factory import create
from avfer.progress import no_progress
from avfer.training.images.image_model import create_network
from avfer.training.images.image_task import ImageTask, image_task
from avfer.training.labels import TargetNames
from avfer.training.train_model import train
from avfer.training.training_config import read_config
from tests.datasets.on_disk import text

RECIPES = Path(__file__).parents[3] / "configs" / "train"
SMALL = {"model_options.size": "tiny", "start": {}, "workers": 1, "device": "cpu", "epochs": 3}
SINGLE = {"precision": "32-true"}  # a CPU without bfloat16 takes minutes for the recipe's bf16-mixed
FAST = {"optimiser.rate": 1e-3}
SHADES = (70, 190)  # of two classes
HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"


def write_image(path: Path, number: int) -> None:
    """Write an image whose brightness shows the class through any augmentation, with a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).normal(0, 20, (48, 48, 3))
    Image.fromarray((SHADES[number % 2] + noise).clip(0, 255).astype(np.uint8)).save(path)


def raf_db(root: Path, train: int, dev: int) -> None:
    """Write faces of happiness (4) and neutral ones (7)."""
    names = [f"train_{n:05d}" for n in range(train)] + [f"test_{n:04d}" for n in range(dev)]
    for number, name in enumerate(names):
        write_image(root / "Image" / "aligned" / f"{name}_aligned.jpg", number)
    lines = [f"{name}.jpg {(4, 7)[number % 2]}" for number, name in enumerate(names)]
    text(root / "EmoLabel" / "list_patition_label.txt", *lines)


def affectnet(root: Path, train: int, dev: int) -> None:
    """Write faces of happiness (1) and neutral ones (0), and an empty file without a label (10)."""
    for name, count in (("training", train), ("validation", dev)):
        rows = [f"{name}/{n}.png,0,0,48,48,0;0,{(1, 0)[n % 2]},0,0" for n in range(count)]
        text(root / f"{name}.csv", HEADER, *rows, f"{name}/none.png,0,0,48,48,0;0,10,-2,-2")
        for number in range(count):
            write_image(root / "Manually_Annotated_Images" / name / f"{number}.png", number)
        (root / "Manually_Annotated_Images" / name / "none.png").touch()


def ferplus(root: Path, train: int, dev: int) -> None:
    """Write faces that eight of ten annotators call happy, or neutral."""
    for folder, count in (("FER2013Train", train), ("FER2013Valid", dev)):
        votes = ("1,8,1,0,0,0,0,0,0,0", "8,1,1,0,0,0,0,0,0,0")
        lines = [f'fer{n:07d}.png,"(0, 0, 48, 48)",{votes[n % 2]}' for n in range(count)]
        text(root / folder / "label.csv", *lines)
        for number in range(count):
            write_image(root / folder / f"fer{number:07d}.png", number)


CORPORA = {"raf_db": raf_db, "affectnet": affectnet, "ferplus": ferplus}


def settings(recipe: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the settings of a recipe on its corpus with `train` training images and `dev` others."""
    root, corpus = folder / "corpus", read_config(RECIPES / f"{recipe}.yaml").corpus
    CORPORA[corpus](root, changes.pop("train", 8), changes.pop("dev", 4))
    return {"root": str(root), "output": str(folder / "run"), **SMALL, **changes}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output folder of a masked auto-encoder trained by its recipe."""
    changes = settings("mae_affectnet", tmp_path_factory.mktemp("mae"), train=4, dev=2, batch=2, accumulate=1)
    return train(RECIPES / "mae_affectnet.yaml", **changes | FAST | SINGLE).folder


def test_pre_training_needs_no_labels_and_its_loss_falls(pretrained):
    table = pd.read_csv(pretrained / "metrics.csv")
    assert table["loss"].iloc[-1] < 0.8 * table["loss"].iloc[0]
    assert table["dev_loss"].iloc[-1] < 0.8 * table["dev_loss"].iloc[0]
    assert table["score"].tolist() == pytest.approx((-table["dev_loss"]).tolist())
    card = read_card(pretrained / "best.json")
    assert card.name == "mae" and card.options == {"size": "tiny", "decoder": True} and not card.classes
    assert "train; partitions as distributed; 8 classes; pictures of these alone" in card.data


def test_the_score_of_pre_training_does_not_depend_on_the_random_state(tmp_path):
    changes = settings("mae_affectnet", tmp_path, train=2, dev=2)
    options = {"model_options.decoder_width": 64, "model_options.decoder_depth": 1}
    task = image_task(read_config(RECIPES / "mae_affectnet.yaml", changes | options), False, no_progress)
    task.objective.eval()
    scores, states = set(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with torch.inference_mode():
            scores.add(task.score(task.objective, torch.device("cpu"))["score"])
        states.append(torch.rand(1))
    assert len(scores) == 1
    torch.manual_seed(2)
    assert torch.equal(states[1], torch.rand(1)), "scoring leaves the random state unchanged"


def test_half_precision_changes_the_loss_of_pre_training_little(tmp_path):
    small = {"epochs": 1, "batch": 2, "model_options.decoder_width": 64, "model_options.decoder_depth": 1}
    losses = []
    for name, precision in {"half": {}, "single": SINGLE}.items():
        changes = settings("mae_affectnet", tmp_path / name, train=2, dev=2, **small, **precision)
        trained = train(RECIPES / "mae_affectnet.yaml", **changes)
        losses.append(pd.read_csv(trained.folder / "metrics.csv")["loss"].iloc[0])
    half, single = losses
    assert half == pytest.approx(single, rel=0.02) and half != single


@pytest.mark.parametrize("recipe", ["pf_vit_plain_raf_db", "pf_vit_raf_db"])
def test_fine_tuning_starts_from_the_pre_trained_weights(pretrained, recipe):
    start = {"start.pretrained": str(pretrained / "best.safetensors"), "model_options.size": "tiny"}
    model, _ = create_network(read_config(RECIPES / f"{recipe}.yaml", start), TargetNames(("happiness", "neutral")))
    mae = create("mae", weights=pretrained / "best.safetensors")
    ours, theirs = model.encoder.state_dict(), mae.encoder.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    if model.generator is not None:
        generator, decoder = model.generator.state_dict(), mae.decoder.state_dict()
        assert decoder.keys() - generator.keys() == {"mask_token"}
        assert all(torch.equal(generator[name], tensor) for name, tensor in decoder.items() if name in generator)


def variants() -> list[Any]:
    """Return the plain recipes, and the same with the settings that their comments suggest; all but one are slow."""
    found: list[Any] = []
    for path in sorted(RECIPES.glob("pf_vit_plain_*.yaml")):
        suggested = re.findall(r"--set ((?:mix|loss|optimiser)\S+)=(\S+)", path.read_text())
        found.append(pytest.param(path.stem, {}, id=path.stem, marks=[pytest.mark.slow] if found else []))
        if suggested:
            changes = {key: yaml.safe_load(value) for key, value in suggested}
            name = f"{path.stem} with {', '.join(changes)}"
            found.append(pytest.param(path.stem, changes, id=name, marks=pytest.mark.slow))
    return found


def dev_loss(model: nn.Module, task: ImageTask) -> float:
    """Return the cross-entropy on the dev images."""
    batch = task.dev.batch(list(range(len(task.dev))))
    with torch.no_grad():
        return float(F.cross_entropy(model.eval()(batch.pixels), batch.labels.expression))


@pytest.mark.parametrize(("recipe", "changes"), variants())
def test_a_plain_recipe_learns_and_its_weights_can_be_loaded(tmp_path, recipe, changes):
    changes = settings(recipe, tmp_path, batch=4, accumulate=1, **changes)
    task = image_task(read_config(RECIPES / f"{recipe}.yaml", changes), False, no_progress)
    assert len(task) == 8 and len(task.dev) == 4, "images without a class are left out"
    before = dev_loss(task.objective.model, task)
    trained = train(RECIPES / f"{recipe}.yaml", **changes | FAST)
    assert dev_loss(create("pf_vit", weights=trained.weights), task) < 0.8 * before
    assert trained.scores["accuracy"] >= 0.5, "two classes of seven or eight occur"
    card = read_card(trained.weights.with_suffix(".json"))
    assert card.classes == task.card.classes and card.options.get("size") == "tiny"


@pytest.mark.slow
def test_the_generator_is_trained_from_a_pre_trained_start(tmp_path, pretrained):
    start = {"start.pretrained": str(pretrained / "best.safetensors")}
    changes = settings("pf_vit_raf_db", tmp_path, train=4, dev=2, batch=4, **start)
    trained = train(RECIPES / "pf_vit_raf_db.yaml", **changes | FAST)
    table = pd.read_csv(trained.folder / "metrics.csv")
    assert table["loss"].iloc[-1] < table["loss"].iloc[0]
    plain = create("pf_vit", weights=trained.weights)
    assert plain.generator is None and plain.discriminator is None and plain.separator is not None
