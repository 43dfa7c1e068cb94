"""Faces without labels: drawn beside the labelled ones, read by the losses that need no label, and by no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from avfer.catalog import find
from avfer.errors import AvferError, AvferWarning, ConfigError, DatasetError
from avfer.losses.aver_losses import embedding_loss
from avfer.models.factory import create
from avfer.training.engine import checkpoint
from avfer.training.own_losses import LOSSES, check_unlabelled
from avfer.training.passes import Pass
from avfer.training.pictures import PictureTask, picture_task
from avfer.training.train import train
from avfer.training.training_config import make_config
from tests.training.resumed import ends_with_the_same_weights
from tests.training.toy_pictures import EMBEDDING, MODEL, settings, teacher

CLASSES = ["happiness", "neutral", "fear"]
SUFFIXES = ("jpg", "JPEG", "png", "bmp", "webp", "tif")
EVERYTHING = {
    "targets": ["expression", "valence_arousal", "action_units"],
    "options": {"kinds": ("expression", "votes", "valence", "arousal", "action_units")},
}


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Twelve grey pictures, 60, 70, ... in natural order of their folders and names, beside what is none."""
    root = tmp_path / "faces"
    for number in range(12):
        place = root / ("" if number < 4 else f"film {number - 2}/deep/er/still")  # film 10 stands behind film 9
        place.mkdir(parents=True, exist_ok=True)
        shown = Image.new("L" if number % 2 else "RGB", (40, 30), (60 + 10 * number,) * (1 if number % 2 else 3))
        shown.save(place / f"face_{number}.{SUFFIXES[number % len(SUFFIXES)]}", quality=100)
    (root / "notes.txt").write_text("none")
    (root / ".hidden.png").write_bytes(b"none")
    return root


def made(folder: Path, faces: Path | None, batch: int = 8, **changes: Any) -> PictureTask:
    """Losses and networks need not fit here: what is drawn is looked at alone."""
    told = changes if faces is None else changes | {"unlabelled": {"root": str(faces), "batch": batch}}
    return picture_task(settings(folder, **told), False, lambda *_: None)


def taught(folder: Path, **changes: Any) -> dict[str, Any]:
    """What makes the toy network a student, of another one of its kind."""
    folder.mkdir(exist_ok=True)
    return {"teacher": teacher(folder, MODEL, CLASSES, 32), "losses": {"softened": 1.0}} | changes


def greys(pixels: torch.Tensor) -> list[int]:
    return ((pixels * 0.2 + 0.4).mean((1, 2, 3)) * 255).round().int().tolist()


def test_faces_without_labels_are_the_last_rows_of_a_batch(tmp_path, faces):
    labelled = made(tmp_path / "a", None, **EVERYTHING)
    task = made(tmp_path / "b", faces, **taught(tmp_path, **EVERYTHING))
    torch.manual_seed(1)
    alone = labelled.batch([0, 1, 2, 3])
    torch.manual_seed(1)
    batch = task.batch([0, 1, 2, 3])
    assert len(batch.pixels) == 8, "half a batch has half as many beside it"
    for name in ("pixels", "expression", "expression_valid", "votes", "pair", "pair_valid", "units", "units_valid"):
        assert torch.equal(getattr(batch, name)[:4], getattr(alone, name)), "labelled rows are as ever"
        assert name == "pixels" or not getattr(batch, name)[4:].any()
    assert set(greys(batch.pixels[4:])) <= {60 + 10 * number for number in range(12)}


def test_all_pictures_below_a_folder_are_drawn_in_natural_order(tmp_path, faces):
    task = made(tmp_path / "run", faces, batch=200, **taught(tmp_path))
    assert task.unlabelled is not None
    assert [int(path.stem.split("_")[1]) for path in task.unlabelled.paths] == list(range(12))
    batch = task.batch(list(range(8)))
    assert sorted(set(greys(batch.pixels[8:]))) == [60 + 10 * number for number in range(12)]


def test_what_is_drawn_depends_on_the_random_state_alone(tmp_path, faces):
    how = {"augment": "strong"} | taught(tmp_path)
    one, many = (made(tmp_path / str(workers), faces, workers=workers, **how) for workers in (1, 4))
    seen = []
    for task in (one, many, one):
        torch.manual_seed(3)
        seen.append([task.batch(list(range(8))).pixels for _ in range(2)])
    assert all(torch.equal(a, b) for other in seen[1:] for a, b in zip(seen[0], other, strict=True))
    assert not torch.equal(*(pixels[8:] for pixels in seen[0]))


def test_a_damaged_picture_is_told_once_and_passed_over(tmp_path, faces):
    damaged = faces / "face_1.JPEG"
    damaged.write_bytes(damaged.read_bytes()[:200])
    task = made(tmp_path / "run", faces, batch=200, **taught(tmp_path))
    with pytest.warns(AvferWarning, match=r"face_1\.JPEG is no readable picture.*another stands in for it") as told:
        shown = [greys(task.batch(list(range(8))).pixels[8:]) for _ in range(2)]
    assert len(told) == 1
    assert all(70 not in some and some.count(80) > 1.3 * some.count(90) for some in shown)


def emptied(faces: Path) -> None:
    for path in [path for path in faces.rglob("*") if path.is_file()]:
        path.unlink()


def spoiled(faces: Path) -> None:
    for path in [path for path in faces.rglob("*") if path.is_file()]:
        path.write_bytes(b"none")


@pytest.mark.filterwarnings("ignore:unlabelled")
@pytest.mark.parametrize(
    ("change", "changes", "error", "told"),
    [
        (None, {"unlabelled": {"root": "nowhere"}}, DatasetError, "unlabelled: there is no folder nowhere"),
        (emptied, {}, DatasetError, r"unlabelled: of 0 pictures \(\.jpg, .* not one can be read"),
        (spoiled, {}, DatasetError, r"unlabelled: of 12 pictures .* not one can be read"),
        (None, {"unlabelled": {"root": ".", "batch": 0}}, ConfigError, r"unlabelled\.batch: .* greater than 0, not 0"),
        (None, {"unlabelled": {"root": ".", "share": 2}}, ConfigError, "unlabelled: unknown key 'share'"),
        (None, {"losses": {}}, ConfigError, r"no loss reads faces without labels.*\(label_distribution, softened\)"),
        (None, {"losses": {"softened": 0.0}}, ConfigError, "no loss reads faces without labels"),
        (None, {"losses": {"mean_square": 1.0}}, ConfigError, "no loss reads faces without labels"),
        (None, {"model": "temporal"}, ConfigError, "is read by face networks .*; temporal is none"),
    ],
)
def test_what_cannot_be_drawn_is_told_before_training(
    tmp_path, faces, change: Callable[[Path], None] | None, changes, error: type[AvferError], told
):
    if change is not None:
        change(faces)
    with pytest.raises(error, match=told):
        train(settings(tmp_path / "run", **{"unlabelled": {"root": str(faces)}} | taught(tmp_path) | changes))
    assert not (tmp_path / "run" / "config.yaml").exists()


POKER_PARTS = {"size": "tiny", "generator": True, "separation": "soft"}
POKER: dict[str, Any] = {"model": "pf_vit", "size": 224, "model_options": POKER_PARTS}
HMTL = {"model": "hmtl", "teacher": None, "model_options": {"heads": ["expression", "puzzle", "inpainting"], "grid": 2}}
ARC = {"model": "mt_arcvgg", "size": 96, "model_options": {"width": 8, "num_features": 32, "num_embedding": 16}}
DAN: dict[str, Any] = {"model": "dan", "size": 64}
PSR: dict[str, Any] = {"model": "psr", "size": 64, "model_options": {"side": 64}}
SIMILAR: dict[str, Any] = {"model": EMBEDDING}
MAE: dict[str, Any] = {"model": "mae", "size": 224, "model_options": {"size": "tiny", "decoder": True}, "targets": []}
NETWORKS: dict[str, dict[str, Any]] = {  # that have what the loss reads
    **dict.fromkeys(["affinity", "partition"], DAN),
    **dict.fromkeys(["pdls", "branches"], PSR),
    **dict.fromkeys(["puzzle", "inpainting"], HMTL),
    **dict.fromkeys(["triplet", "embedding"], SIMILAR),
    **dict.fromkeys(["orthogonality", "reconstruction", "adversarial", "flatness", "neutrality", "identity"], POKER),
    "arcface": ARC,
    "masked_patches": MAE,
    "mean_square": EVERYTHING,
}


def _marked(name: str) -> Any:
    large = NETWORKS.get(name, {}).get("size") == 224
    return pytest.param(name, marks=pytest.mark.slow) if large else name


def rows_read(task: PictureTask, loss: Callable[[Pass], torch.Tensor]) -> list[bool]:
    """Whether each crop of a batch of three labelled and two other faces has a say in a loss."""
    side = task.card.size or 0
    batch = task.batch([0, 1, 2]).with_unlabelled(torch.randn(2, 3, side, side))
    batch = replace(batch, triplets=torch.randn(1, 3, 3, side, side), margins=torch.ones(1))
    batch.pixels.requires_grad_(True)
    task.objective.eval()  # batch norms mix the rows, in every loss
    (grad,) = torch.autograd.grad(loss(Pass(task.objective.model, task.card, batch)), batch.pixels, allow_unused=True)
    return [False] * 5 if grad is None else (grad != 0).any(3).any(2).any(1).tolist()


@pytest.mark.filterwarnings("ignore:feature loss")
@pytest.mark.parametrize("name", [_marked(name) for name in sorted(LOSSES)])
def test_faces_without_labels_have_a_say_only_where_the_table_says_so(tmp_path, name):
    asked = {"teacher": teacher(tmp_path, EMBEDDING, CLASSES, 32), "options": EVERYTHING["options"]}
    torch.manual_seed(0)
    task = made(tmp_path / "run", None, losses={name: 1.0}, **asked | NETWORKS.get(name, {}))
    read = rows_read(task, task.objective.own[name][1])
    if name != "triplet":
        assert all(read[:3])
    assert read[3:] == [not LOSSES[name].labelled] * 2


@pytest.mark.parametrize("balance", ["none", "weights"])
@pytest.mark.parametrize("votes", [True, False])
def test_losses_of_labels_are_the_same_beside_faces_without_labels(tmp_path, balance, votes):
    task = made(tmp_path, None, balance=balance, loss={"votes": votes}, **EVERYTHING)
    batch = task.batch([0, 1, 2])
    alone = task.objective(batch)
    assert task.objective(batch.with_unlabelled(torch.randn(5, 3, 32, 32))).item() == pytest.approx(alone.item())
    assert rows_read(task, lambda seen: task.objective(seen.batch)) == [True] * 3 + [False] * 2


def distance(folder: Path, of: Path, faces: Path) -> float:
    """Mean squared difference of the embeddings of a student at its end and of its teacher, of pictures as they are."""
    shown = [np.asarray(Image.open(path).convert("RGB").resize((32, 32))) for path in faces.rglob("face_*")]
    crops = (torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2) / 255 - 0.4) / 0.2
    ended = checkpoint.read(folder)
    assert ended is not None
    student = create(EMBEDDING)
    student.load_state_dict({name.removeprefix("model."): value for name, value in ended["module"].items()})
    with torch.inference_mode():
        return float(embedding_loss(student.features(crops), create(EMBEDDING, weights=of).features(crops)))


def test_a_student_nears_its_teacher_on_faces_without_labels(tmp_path, faces, avfer):
    """Its labelled pictures look like none of them: without them it stays further away."""
    path = teacher(tmp_path, EMBEDDING, CLASSES, 32)
    before, distances = path.read_bytes(), []
    for name, beside in (("alone", {}), ("beside", {"unlabelled": {"root": str(faces), "batch": 16}})):
        folder = tmp_path / name
        told: dict[str, Any] = {"losses": {"embedding": 1.0, "softened": 1.0}, "loss": {"expression": 0.0}}
        config = settings(folder, model=EMBEDDING, epochs=4, batch=4, teacher=path, **told, **beside)
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
        assert avfer("train", tmp_path / "recipe.yaml", "--quiet").code == 0
        distances.append(distance(folder, path, faces))
    assert distances[1] < 0.4 * distances[0]
    assert path.read_bytes() == before


def test_a_training_beside_faces_without_labels_goes_on_where_it_was(tmp_path, faces):
    told = taught(tmp_path, unlabelled={"root": str(faces), "batch": 5}, augment="strong", save_every=1)
    ends_with_the_same_weights(tmp_path, lambda folder: settings(folder, **told))


def test_the_recipe_of_the_student_offers_faces_without_labels():
    path = Path(__file__).parents[2] / "configs/train/aver_student.yaml"
    text = path.read_text().replace("# unlabelled:", "unlabelled:")
    config = make_config(yaml.safe_load(text), path.name)
    assert config.unlabelled is not None
    with torch.device("meta"):
        check_unlabelled(config.losses, find("backbone", config.model)())
