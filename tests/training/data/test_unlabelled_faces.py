"""Faces without labels: drawn beside the labelled images, and read only by losses that need no labels."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from avfer.catalog import NAMES, find
from avfer.errors import AvferError, AvferWarning, ConfigError, DatasetError
from avfer.losses.aver_losses import embedding_loss
from avfer.losses.network_loss import ForwardPass
from avfer.models.factory import create
from avfer.progress import no_progress
from avfer.training.engine.checkpoint import read_checkpoint
from avfer.training.images.image_task import ImageTask, image_task
from avfer.training.train_model import train
from tests.training.interrupted import assert_resumed_run_has_the_same_weights
from tests.training.toy_images import EMBEDDING, MODEL, settings, teacher

CLASSES = ["happiness", "neutral", "fear"]
SUFFIXES = ("jpg", "JPEG", "png", "bmp", "webp", "tif")
EVERYTHING = {
    "targets": ["expression", "valence_arousal", "action_units"],
    "options": {"kinds": ("expression", "votes", "valence", "arousal", "action_units")},
}


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Write twelve grey images, 60, 70, ... in natural order of folders and names, beside other files."""
    root = tmp_path / "faces"
    for number in range(12):
        place = root / ("" if number < 4 else f"film {number - 2}/deep/er/still")  # film 10 comes after film 9
        place.mkdir(parents=True, exist_ok=True)
        image = Image.new("L" if number % 2 else "RGB", (40, 30), (60 + 10 * number,) * (1 if number % 2 else 3))
        image.save(place / f"face_{number}.{SUFFIXES[number % len(SUFFIXES)]}", quality=100)
    (root / "notes.txt").write_text("none")
    (root / ".hidden.png").write_bytes(b"none")
    return root


def make_task(folder: Path, faces: Path | None, batch: int = 8, **changes: Any) -> ImageTask:
    """Return a task with `batch` faces beside each batch."""
    changes = changes if faces is None else changes | {"unlabelled": {"root": str(faces), "batch": batch}}
    return image_task(settings(folder, **changes), False, no_progress)


def student(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the settings that make the toy network a student of another one."""
    folder.mkdir(exist_ok=True)
    return {"teacher": teacher(folder, MODEL, CLASSES, 32), "losses": {"softened": 1.0}} | changes


def greys(pixels: torch.Tensor) -> list[int]:
    return ((pixels * 0.2 + 0.4).mean((1, 2, 3)) * 255).round().int().tolist()


def test_unlabelled_faces_are_the_last_rows_of_a_batch(tmp_path, faces):
    labelled = make_task(tmp_path / "a", None, **EVERYTHING)
    task = make_task(tmp_path / "b", faces, **student(tmp_path, **EVERYTHING))
    torch.manual_seed(1)
    alone = labelled.batch([0, 1, 2, 3])
    torch.manual_seed(1)
    batch = task.batch([0, 1, 2, 3])
    assert len(batch.pixels) == 8, "half a batch has half as many faces"
    assert torch.equal(batch.pixels[:4], alone.pixels), "labelled rows are unchanged"
    for field in fields(batch.labels):
        values = getattr(batch.labels, field.name)
        assert torch.equal(values[:4], getattr(alone.labels, field.name)) and not values[4:].any()
    assert set(greys(batch.pixels[4:])) <= {60 + 10 * number for number in range(12)}


def test_all_images_in_subfolders_are_drawn_in_natural_order(tmp_path, faces):
    task = make_task(tmp_path / "run", faces, batch=200, **student(tmp_path))
    assert task.unlabelled is not None
    assert [int(path.stem.split("_")[1]) for path in task.unlabelled.paths] == list(range(12))
    batch = task.batch(list(range(8)))
    assert sorted(set(greys(batch.pixels[8:]))) == [60 + 10 * number for number in range(12)]


def test_drawn_faces_depend_on_the_random_state_only(tmp_path, faces):
    changes = {"augment": "strong"} | student(tmp_path)
    one, many = (make_task(tmp_path / str(workers), faces, workers=workers, **changes) for workers in (1, 4))
    batches = []
    for task in (one, many, one):
        torch.manual_seed(3)
        batches.append([task.batch(list(range(8))).pixels for _ in range(2)])
    assert all(torch.equal(a, b) for other in batches[1:] for a, b in zip(batches[0], other, strict=True))
    assert not torch.equal(*(pixels[8:] for pixels in batches[0]))


def test_a_damaged_image_causes_one_warning_and_is_skipped(tmp_path, faces):
    damaged = faces / "face_1.JPEG"
    damaged.write_bytes(damaged.read_bytes()[:200])
    task = make_task(tmp_path / "run", faces, batch=200, **student(tmp_path))
    message = r"face_1\.JPEG is not a readable picture.*another image replaces it"
    with pytest.warns(AvferWarning, match=message) as warned:
        drawn = [greys(task.batch(list(range(8))).pixels[8:]) for _ in range(2)]
    assert len(warned) == 1
    assert all(70 not in some and some.count(80) > 1.3 * some.count(90) for some in drawn)


def remove_files(faces: Path) -> None:
    for path in [path for path in faces.rglob("*") if path.is_file()]:
        path.unlink()


def damage_files(faces: Path) -> None:
    for path in [path for path in faces.rglob("*") if path.is_file()]:
        path.write_bytes(b"none")


@pytest.mark.filterwarnings("ignore:unlabelled")
@pytest.mark.parametrize(
    ("change", "changes", "error", "message"),
    [
        (None, {"unlabelled": {"root": "nowhere"}}, DatasetError, "unlabelled: there is no folder nowhere"),
        (remove_files, {}, DatasetError, r"unlabelled: of 0 images \(\.jpg, .* none can be read"),
        (damage_files, {}, DatasetError, r"unlabelled: of 12 images .* none can be read"),
        (
            None,
            {"unlabelled": {"root": ".", "batch": 0}},
            ConfigError,
            r"unlabelled\.batch: must be in \(0, 65536\], got 0",
        ),
        (None, {"unlabelled": {"root": ".", "share": 2}}, ConfigError, "unlabelled: unknown key 'share'"),
        (None, {"losses": {}}, ConfigError, r"no loss reads faces without labels.*\(label_distribution, softened\)"),
        (None, {"losses": {"softened": 0.0}}, ConfigError, "no loss reads faces without labels"),
        (None, {"losses": {"mean_square": 1.0}}, ConfigError, "no loss reads faces without labels"),
        (None, {"model": "temporal"}, ConfigError, "only face networks use it, and temporal is none of them"),
    ],
)
def test_a_folder_without_usable_faces_or_losses_is_refused(
    tmp_path, faces, change: Callable[[Path], None] | None, changes, error: type[AvferError], message
):
    if change is not None:
        change(faces)
    with pytest.raises(error, match=message):
        train(settings(tmp_path / "run", **{"unlabelled": {"root": str(faces)}} | student(tmp_path) | changes))
    assert not (tmp_path / "run" / "config.yaml").exists()


POKER_PARTS = {"size": "tiny", "generator": True}
POKER: dict[str, Any] = {"model": "pf_vit", "size": 224, "model_options": POKER_PARTS}
HMTL = {"model": "hmtl", "teacher": None, "model_options": {"heads": ["expression", "puzzle", "inpainting"], "grid": 2}}
ARC = {"model": "mt_arcvgg", "size": 96, "model_options": {"width": 8, "num_features": 32, "num_embedding": 16}}
DAN: dict[str, Any] = {"model": "dan", "size": 64}
PSR: dict[str, Any] = {"model": "psr", "size": 64, "model_options": {"side": 64}}
SIMILAR: dict[str, Any] = {"model": EMBEDDING}
MAE: dict[str, Any] = {"model": "mae", "size": 224, "model_options": {"size": "tiny", "decoder": True}, "targets": []}
NETWORKS: dict[str, dict[str, Any]] = {  # that offer what the loss needs
    **dict.fromkeys(["affinity", "partition"], DAN),
    **dict.fromkeys(["pdls", "branches"], PSR),
    **dict.fromkeys(["puzzle", "inpainting"], HMTL),
    **dict.fromkeys(["triplet", "embedding"], SIMILAR),
    **dict.fromkeys(["reconstruction", "adversarial", "flatness", "neutrality", "identity"], POKER),
    "arcface": ARC,
    "masked_patches": MAE,
    "mean_square": EVERYTHING,
}


def _marked(name: str) -> Any:
    large = NETWORKS.get(name, {}).get("size") == 224
    return pytest.param(name, marks=pytest.mark.slow) if large else name


def rows_read(task: ImageTask, loss: Callable[[ForwardPass], torch.Tensor]) -> list[bool]:
    """Return whether each crop of a batch of three labelled and two other faces has a gradient in a loss."""
    side = task.card.size or 0
    batch = task.batch([0, 1, 2]).with_unlabelled(torch.randn(2, 3, side, side))
    batch = replace(batch, triplets=torch.randn(1, 3, 3, side, side), margins=torch.ones(1))
    batch.pixels.requires_grad_(True)
    task.objective.eval()  # batch norms in training mix the rows in every loss
    (grad,) = torch.autograd.grad(loss(task.objective.forward_pass(batch)), batch.pixels, allow_unused=True)
    return [False] * 5 if grad is None else (grad != 0).any(3).any(2).any(1).tolist()


@pytest.mark.filterwarnings("ignore:inpainting loss")
@pytest.mark.parametrize("name", [_marked(name) for name in sorted(NAMES["loss"])])
def test_a_loss_reads_unlabelled_faces_unless_it_declares_reads_labels(tmp_path, name):
    changes = {"teacher": teacher(tmp_path, EMBEDDING, CLASSES, 32), "options": EVERYTHING["options"]}
    torch.manual_seed(0)
    task = make_task(tmp_path / "run", None, losses={name: 1.0}, **changes | NETWORKS.get(name, {}))
    read = rows_read(task, task.objective.network_loss(name))
    if name != "triplet":
        assert all(read[:3])
    assert read[3:] == [not find("loss", name).reads_labels] * 2


@pytest.mark.parametrize("balance", ["none", "weights"])
@pytest.mark.parametrize("votes", [True, False])
def test_losses_against_labels_are_the_same_beside_unlabelled_faces(tmp_path, balance, votes):
    task = make_task(tmp_path, None, balance=balance, loss={"votes": votes}, **EVERYTHING)
    batch = task.batch([0, 1, 2])
    alone = task.objective(batch)
    assert task.objective(batch.with_unlabelled(torch.randn(5, 3, 32, 32))).item() == pytest.approx(alone.item())
    assert rows_read(task, lambda forward_pass: task.objective(forward_pass.batch)) == [True] * 3 + [False] * 2


def distance(folder: Path, of: Path, faces: Path) -> float:
    """Return the embedding loss of a trained student and its teacher on the faces."""
    images = [np.asarray(Image.open(path).convert("RGB").resize((32, 32))) for path in faces.rglob("face_*")]
    crops = (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255 - 0.4) / 0.2
    content = read_checkpoint(folder)
    assert content is not None
    student = create(EMBEDDING)
    student.load_state_dict({name.removeprefix("model."): value for name, value in content["module"].items()})
    with torch.inference_mode():
        return float(embedding_loss(student.features(crops), create(EMBEDDING, weights=of).features(crops)))


def test_a_student_comes_closer_to_its_teacher_on_unlabelled_faces(tmp_path, faces, avfer):
    """They look like none of the labelled images; without them the student stays further away."""
    path = teacher(tmp_path, EMBEDDING, CLASSES, 32)
    before, distances = path.read_bytes(), []
    for name, beside in (("alone", {}), ("beside", {"unlabelled": {"root": str(faces), "batch": 16}})):
        folder = tmp_path / name
        changes: dict[str, Any] = {"losses": {"embedding": 1.0, "softened": 1.0}, "loss": {"expression": 0.0}}
        config = settings(folder, model=EMBEDDING, epochs=4, batch=4, teacher=path, **changes, **beside)
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
        assert avfer("train", tmp_path / "recipe.yaml", "--quiet").code == 0
        distances.append(distance(folder, path, faces))
    assert distances[1] < 0.4 * distances[0]
    assert path.read_bytes() == before


def test_an_interrupted_run_beside_unlabelled_faces_ends_with_the_same_weights(tmp_path, faces):
    changes = student(tmp_path, unlabelled={"root": str(faces), "batch": 5}, augment="strong", save_every=1)
    assert_resumed_run_has_the_same_weights(tmp_path, lambda folder: settings(folder, **changes))
