"""Make the crops that face_lite learns from: `python -m tools.train.face_measures_data OUT KIND`.

Every crop is aligned by five points as in production and keeps a margin, so that augmentation can move it. Labels are
the teacher's (the Face Landmarker) on photographs and the true ones on renders, in the units of the contract: degrees;
yaw positive to the picture's right, pitch up, roll clockwise. Unknown labels are NaN. Folders hold shards of .npz;
shards that exist are kept.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from avfer.models.backbones.face_landmarker import FaceLandmarker
from avfer.models.backbones.face_lite import SIDE
from avfer.models.face_measurer import LANDMARK_INDEX
from avfer.models.task_file import read_task
from avfer.signal.geometry import inverse, similarity, warp
from tools.renders.head import Head
from tools.renders.shots import Shot, random_shot, render
from tools.renders.sweeps import SWEEPS, looks, series
from tools.train.face_measures_template import FIVE, MARGIN, TEMPLATE

SHARD = 1000  # faces in one file
SHARED = Path("../shared/data")  # beside the checkout; tools/train/all.py lists its folders


@dataclass(frozen=True, eq=False)
class Sample:
    """One face: its crop with a margin, and its labels."""

    pixels: np.ndarray  # (S, S, 3) uint8, S = SIDE + 2 * MARGIN
    landmarks: np.ndarray  # (146, 2) px of the crop without its margin
    teacher: np.ndarray  # (52,) blendshapes of the Face Landmarker, NaN if unknown
    truth: np.ndarray  # (55,) weights of the render, NaN on photographs
    pose: np.ndarray  # (3,) yaw, pitch, roll in the crop
    gaze: np.ndarray  # (2,) yaw, pitch in the crop
    turn: float  # degrees by which the picture was turned clockwise to become the crop
    person: int  # number of the person, the row in FER+, or the seed of a render


def align(picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a crop with its margin, the matrix from the picture to the crop without it, and the clockwise turn.

    picture: (H, W, 3) uint8, points: (5, 2) px -> (S, S, 3) uint8, (2, 3), degrees.
    """
    matrix = similarity(points[None], np.array(TEMPLATE) * SIDE)
    with_margin = matrix.copy()
    with_margin[:, :, 2] += MARGIN
    crop = warp(torch.from_numpy(picture), inverse(with_margin)[0], SIDE + 2 * MARGIN).numpy()
    return crop, matrix[0], float(np.degrees(np.arctan2(matrix[0, 1, 0], matrix[0, 0, 0])))


def turned(pose: np.ndarray, gaze: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pose (..., 3) and gaze (..., 2), degrees, of a picture that is turned clockwise by `turn` degrees."""
    yaw, pitch = np.radians(gaze[..., 0]), np.radians(gaze[..., 1])
    x, y, z = np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    x, y = c * x + s * y, c * y - s * x
    moved = pose + np.stack([np.zeros_like(turn), np.zeros_like(turn), turn], -1)
    return moved, np.degrees(np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], -1))


def sample(
    picture: np.ndarray,
    landmarks: np.ndarray,
    columns: Sequence[int],
    teacher: np.ndarray,
    truth: np.ndarray,
    pose: np.ndarray,
    gaze: np.ndarray,
    person: int,
) -> Sample:
    """Align a picture by five of its landmarks and turn its labels along. landmarks: (146, 2) px of the picture."""
    crop, matrix, turn = align(picture, landmarks[list(columns)])
    points = landmarks @ matrix[:, :2].T + matrix[:, 2]
    pose, gaze = turned(pose, gaze, turn)
    return Sample(crop, points, teacher, truth, pose, gaze, turn, person)


def columns_of(index: Sequence[int] | np.ndarray) -> list[int]:
    """Return the columns of the five alignment points among the 146 points that `index` numbers."""
    return [list(index).index(point) for point in FIVE]


UNKNOWN = np.full(55, np.nan)
NO_GAZE = np.full(2, np.nan)


def photographs(data: Path) -> Iterator[Sample]:
    """Yield the faces of faces.npz."""
    with np.load(data / "faces" / "faces.npz") as arrays:
        z = {name: arrays[name] for name in arrays.files}
    columns, jpg, offset = columns_of(z["landmark_index"]), z["jpg"].tobytes(), z["offset"]
    for i in range(len(offset) - 1):
        picture = np.array(Image.open(io.BytesIO(jpg[offset[i] : offset[i + 1]])).convert("RGB"))
        landmarks = z["landmarks"][i].astype(np.float64) * [picture.shape[1], picture.shape[0]]
        pose = z["yaw_pitch_roll"][i].astype(np.float64) * [1, -1, -1]
        yield sample(picture, landmarks, columns, z["blendshapes"][i], UNKNOWN, pose, NO_GAZE, int(z["person"][i]))


def ferplus(data: Path, split: str) -> Iterator[Sample]:
    """Yield the labelled faces of one split of FER+; of the training split those that are in no other split."""
    folder = data / "ferplus"
    with np.load(folder / f"{split}.npz") as arrays, np.load(folder / f"teacher_{split}.npz") as labels:
        z = {name: arrays[name] for name in arrays.files} | {name: labels[name] for name in labels.files}
    keep = z["valid"].copy()
    if split == "train":
        elsewhere = np.concatenate([np.load(folder / f"{other}.npz")["dup_group"] for other in ("valid", "test")])
        keep &= ~np.isin(z["dup_group"], elsewhere[elsewhere >= 0])
    columns, png, offset = columns_of(z["landmark_index"]), z["png"].tobytes(), z["offset"]
    for i in np.flatnonzero(keep):
        picture = np.array(Image.open(io.BytesIO(png[offset[i] : offset[i + 1]])).convert("RGB"))
        pose = z["yaw_pitch_roll"][i].astype(np.float64) * [1, -1, -1]
        landmarks = z["landmarks"][i].astype(np.float64) * 48
        yield sample(picture, landmarks, columns, z["blendshapes"][i], UNKNOWN, pose, NO_GAZE, int(i))


def labelled_render(head: Head, shot: Shot, teacher: FaceLandmarker, columns: Sequence[int], seed: int) -> Sample:
    """Return the render of a shot with the teacher's landmarks and the true movement, pose and gaze."""
    picture, points = render(head, shot)
    face = teacher.measure(torch.from_numpy(picture), np.concatenate([points[[36, 45]], points]), 1)
    truth = np.array([shot.weights.get(name, 0.0) for name in head.names])
    pose = np.array(shot.pose)
    return sample(
        picture, face.points[list(LANDMARK_INDEX), :2], columns, face.blendshapes, truth, pose, shot.gaze(), seed
    )


def open_renderer(data: Path) -> tuple[Head, FaceLandmarker]:
    """Return the head to render and the teacher that labels the renders."""
    task = read_task(data / "face_landmarker" / "face_landmarker.task")
    return Head(data / "ict_facekit" / "ict_facekit.npz"), FaceLandmarker(task)


def renders(data: Path, first: int, count: int) -> Iterator[Sample]:
    """Yield `count` random renders; render i depends on the number first + i alone."""
    head, teacher = open_renderer(data)
    columns = columns_of(LANDMARK_INDEX)
    for seed in range(first, first + count):
        yield labelled_render(head, random_shot(head, np.random.default_rng(seed)), teacher, columns, seed)


def sweeps(data: Path, folder: Path, heads: int, num_looks: int) -> None:
    """Write the series of single movements, one file for each head, and the looks aside.

    A file of a series has `unit`, the column of SWEEPS (-1: the neutral face), and `weight` besides the samples.
    """
    head, teacher = open_renderer(data)
    columns = columns_of(LANDMARK_INDEX)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "looks.npz").exists():
        shots = looks(head, num_looks)
        _write([labelled_render(head, shot, teacher, columns, k) for k, shot in enumerate(shots)], folder / "looks.npz")
    for number in range(heads):
        path = folder / f"{number:04d}.npz"
        if path.exists():
            continue
        steps = list(series(head, number))
        samples = [labelled_render(head, step.shot, teacher, columns, number) for step in steps]
        units = np.array([list(SWEEPS).index(step.unit) if step.unit else -1 for step in steps])
        _write(samples, path, unit=units, weight=np.array([step.weight for step in steps]))


def pack(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Return the samples as arrays by the names of their fields."""
    dtypes = {"pixels": np.uint8, "person": np.int64}
    return {
        name: np.stack([np.asarray(getattr(one, name)) for one in samples]).astype(dtypes.get(name, np.float32))
        for name in Sample.__dataclass_fields__
    }


def write_shards(samples: Iterator[Sample], folder: Path, first: int = 0) -> None:
    """Write samples to numbered shards of SHARD faces, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part: list[Sample] = []
    number = first
    for one in samples:
        part.append(one)
        if len(part) == SHARD:
            _write(part, folder / f"{number:04d}.npz")
            part, number = [], number + 1
    if part:
        _write(part, folder / f"{number:04d}.npz")


def _write(part: Sequence[Sample], path: Path, **more: np.ndarray) -> None:
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **pack(part), **more)
    temporary.replace(path)
    print(path, flush=True)


def main() -> None:
    """Make one kind of crops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the shards")
    parser.add_argument("kind", choices=["faces", "ferplus", "renders", "sweeps"])
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with the data of all corpora")
    parser.add_argument("--shards", type=int, nargs=2, default=(0, 12), help="renders: numbers of the shards [a, b)")
    parser.add_argument("--heads", type=int, default=20, help="sweeps: number of identities")
    parser.add_argument("--looks", type=int, default=200, help="sweeps: number of looks aside")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.kind == "faces":
        write_shards(photographs(options.data), options.out / "faces")
    elif options.kind == "ferplus":
        for split in ("test", "valid", "train"):
            write_shards(ferplus(options.data, split), options.out / f"ferplus_{split}")
    elif options.kind == "sweeps":
        sweeps(options.data, options.out / "sweeps", options.heads, options.looks)
    else:
        for number in range(*options.shards):
            if not (options.out / "renders" / f"{number:04d}.npz").exists():
                write_shards(renders(options.data, number * SHARD, SHARD), options.out / "renders", number)


if __name__ == "__main__":
    main()
