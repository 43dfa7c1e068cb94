"""Measure the expression heads on FER+: `python -m tools.bench.expression FERPLUS`.

Prints, with 95 % intervals from a bootstrap over pictures:
- crops: accuracy and expected calibration error (15 bins) of every head on the test split (table `votes`, majority
  filter, eight classes), also without the pictures that are also in the train split, and the reliability of each bin;
- pasted: the accuracy of `vision` on the same faces, tinted, enlarged or reduced to a number of pixels and pasted into
  colour frames, through detector, tracker and aligner; a missed face counts as wrong;
- changed: how probabilities and quality of smiling colour photographs change with a mask, sunglasses, and in the dark.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import avfer
from avfer.metrics.calibration import BINS, calibration_error, confidences
from avfer.models.card_files import read_card
from avfer.pipeline import Pipeline
from tools.train.face_occlusions import cover
from tools.train.ferplus import CLASSES
from tools.train.temperature import Split, face_features, heads, load_backbone, load_split

DRAWS = 1000
FRAME = (720, 1280)  # px, height and width
HAPPY = CLASSES.index("happiness")
PLACES = {80: (150, 40.0), 40: (90, 20.0)}  # px of a face -> px of its cell, smallest face that is searched for
CHANGES = ("plain", "mask", "sunglasses", "hand on mouth", "dark", "blurred", "noisy")


def interval(values: np.ndarray) -> str:
    """Return "86.6 % (85.4 to 87.8)" from the value of all rows, and those of the draws after it: (1 + D,)."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{100 * values[0]:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def draws(n: int) -> np.ndarray:
    """Return row numbers: all rows in order, then DRAWS draws with replacement: (1 + DRAWS, n) int64."""
    return np.concatenate([np.arange(n)[None], np.random.default_rng(0).integers(n, size=(DRAWS, n))])


def print_scores(name: str, probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Print accuracy and calibration of some pictures. probabilities: (N, K); labels: (N,)."""
    confidence, correct = confidences(probabilities, labels)
    rows = draws(len(labels))
    error = calibration_error(confidence[rows], correct[rows])
    accuracy = interval(correct[rows].mean(1))
    print(f"  {name}, {len(labels)} pictures: accuracy {accuracy}, calibration error {interval(error)}")


def print_reliability(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Print how often the prediction is correct in each bin of its probability. probabilities: (N, K); labels: (N,)."""
    confidence, correct = confidences(probabilities, labels)
    bins = (np.ceil(confidence * BINS) - 1).clip(0, BINS - 1)
    for number in np.unique(bins).astype(int):
        own = bins == number
        print(
            f"    {number / BINS:.2f} to {(number + 1) / BINS:.2f}: {own.sum():>5} pictures, mean probability"
            f" {confidence[own].mean():.3f}, correct {correct[own].mean():.3f}"
        )


def measure_crops(split: Split) -> None:
    """Print the scores of every head on the crops as they are."""
    network, card = load_backbone()
    labels, new = split.labels.numpy(), ~split.in_train.numpy()
    for path, logits in heads(face_features(split.pictures, network, card), split.measures, network):
        temperature = read_card(path).temperature
        probabilities = (logits.double() / temperature).softmax(1).numpy()
        print(f"{path.stem}, temperature {temperature:g}")
        print_scores("FER+ test", probabilities, labels)
        print_scores("without pictures that are also in train", probabilities[new], labels[new])
        print_scores("the first at temperature 1", logits.double().softmax(1).numpy(), labels)
        print_reliability(probabilities, labels)


@dataclass(frozen=True, eq=False)
class Read:
    """What a pipeline found for N pasted faces; NaN for faces that it missed."""

    probabilities: np.ndarray  # (N, K)
    quality: np.ndarray  # (N,)

    @property
    def found(self) -> np.ndarray:
        """Which faces were found: (N,) bool."""
        return np.isfinite(self.probabilities[:, 0])


def background(rng: np.random.Generator) -> np.ndarray:
    """Return a colour frame of soft shapes: (H, W, 3) float64 in [0, 255]."""
    coarse = Image.fromarray(rng.integers(30, 220, (9, 16, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((FRAME[1], FRAME[0]), Image.Resampling.BICUBIC), np.float64)


def tinted(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a grey face in a colour of skin or light: (S, S) uint8 -> (S, S, 3) float64."""
    tint = np.array([1.0, rng.uniform(0.75, 0.95), rng.uniform(0.55, 0.9)]) * rng.uniform(0.85, 1.1)
    return (face[..., None] * tint).clip(0, 255)


def paste(frame: np.ndarray, face: np.ndarray, row: int, column: int, cell: int) -> None:
    """Put a face into the middle of a cell.

    frame: (H, W, 3), which is changed; face: (S, S, 3); row, column: number of the cell of `cell` px.
    """
    top, left = row * cell + (cell - len(face)) // 2, column * cell + (cell - len(face)) // 2
    frame[top : top + len(face), left : left + len(face)] = face


def read_faces(pipe: Pipeline, faces: Sequence[np.ndarray], cell: int, rng: np.random.Generator) -> Read:
    """Return what a pipeline reads from faces in the cells of frames, each frame a clip of its own.

    faces: (S, S, 3) each, S <= cell px.
    """
    columns, per_frame = FRAME[1] // cell, (FRAME[0] // cell) * (FRAME[1] // cell)
    probabilities, quality = np.full((len(faces), len(CLASSES)), np.nan), np.full(len(faces), np.nan)
    for start in range(0, len(faces), per_frame):
        frame, part = background(rng), faces[start : start + per_frame]
        for place, face in enumerate(part):
            paste(frame, face, *divmod(place, columns), cell)
        track = pipe.run(frame.round().clip(0, 255).astype(np.uint8)[None], fps=25)
        boxes = track.faces.boxes
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        for row in np.argsort(track.faces.scores):  # the best detection of a cell is written last
            across, down = (middle[row] // cell).astype(int) if np.isfinite(middle[row]).all() else (-1, -1)
            place = down * columns + across
            if 0 <= across < columns and 0 <= place < len(part):
                probabilities[start + place] = track.expressions[row]
                quality[start + place] = track.measures[row, track.measure_names.index("quality")]
    return Read(probabilities, quality)


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """Return a picture of another side: (S, S) or (S, S, 3) uint8 -> (side, side) or (side, side, 3) uint8."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def measure_pasted(split: Split, count: int, device: str) -> None:
    """Print the accuracy of `vision` on pasted faces of some sizes, beside that of the crops of the same faces."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(split.labels))[:count]
    labels, pictures = split.labels.numpy()[chosen], split.pictures.numpy()[chosen]
    network, card = load_backbone()
    features = face_features(torch.from_numpy(pictures), network, card)
    logits = dict(heads(features, split.measures[torch.from_numpy(chosen)], network))
    name = next(path for path in logits if path.stem == card.head)
    crops = (logits[name].argmax(1).numpy() == labels).astype(float)
    rows = draws(count)
    print(f"{count} faces of FER+ test; crops, {name.stem}: accuracy {interval(crops[rows].mean(1))}")
    for side, (cell, least) in PLACES.items():
        pipe = avfer.load("vision", device=device, **{"boxes.min_size": least})
        read = read_faces(pipe, [tinted(resized(face, side), rng) for face in pictures], cell, rng)
        correct = np.where(read.found, np.nan_to_num(read.probabilities).argmax(1) == labels, False).astype(float)
        lost = interval((correct[rows] - crops[rows]).mean(1))
        print(
            f"  {side} px, boxes.min_size={least:g}: accuracy {interval(correct[rows].mean(1))}, minus crops {lost};"
            f" {100 * (~read.found).mean():.1f} % missed; quality of the found: median {np.nanmedian(read.quality):.2f}"
        )
        print_scores("found faces", read.probabilities[read.found], labels[read.found])


def changed(kind: str, face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photograph with one change of CHANGES. face: (S, S, 3) uint8; points: (146, 2) px -> (S, S, 3) uint8."""
    if kind == "dark":
        return (0.08 * face + rng.normal(0, 3, face.shape)).clip(0, 255).astype(np.uint8)
    if kind == "noisy":
        return (face + rng.normal(0, 25, face.shape)).clip(0, 255).astype(np.uint8)
    if kind == "blurred":
        return resized(resized(face, len(face) // 10), len(face))
    return cover(face, points, kind, rng, face)[0]


def measure_changed(path: Path, count: int, device: str) -> None:
    """Print how smiling photographs are read after each change. path: faces.npz."""
    with np.load(path) as arrays:
        z = {name: arrays[name] for name in arrays.files}
    names = [str(name) for name in z["names"]]
    smile = z["blendshapes"][:, [names.index("mouthSmileLeft"), names.index("mouthSmileRight")]].mean(1)
    rng, jpg, offset = np.random.default_rng(0), z["jpg"].tobytes(), z["offset"]
    chosen = rng.permutation(np.flatnonzero((z["source"] == 2) & (smile > 0.6)))[:count]
    faces = [np.asarray(Image.open(io.BytesIO(jpg[offset[i] : offset[i + 1]])).convert("RGB")) for i in chosen]
    pipe = avfer.load("vision", device=device)
    print(f"{len(chosen)} smiling portraits in colour, faces of about 107 px, through `vision`")
    for kind in CHANGES:
        points = [z["landmarks"][i].astype(float) * len(face) for i, face in zip(chosen, faces, strict=True)]
        pictures = [changed(kind, face, p, rng).astype(float) for face, p in zip(faces, points, strict=True)]
        read = read_faces(pipe, pictures, 160, rng)
        known = read.probabilities[read.found]
        low, middle, high = np.quantile(read.quality[read.found], (0.05, 0.5, 0.95)) if len(known) else [np.nan] * 3
        happy = f"happiness in {100 * (known.argmax(1) == HAPPY).mean():.0f} %, mean {known[:, HAPPY].mean():.2f}"
        print(
            f"  {kind}: found {100 * read.found.mean():.0f} %; {happy}; mean of the highest probability"
            f" {known.max(1).mean():.2f}; quality {middle:.2f} ({low:.2f} to {high:.2f})"
        )


def main() -> None:
    """Print all figures, or some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with test.npz of FER+")
    parser.add_argument("--faces", type=Path, help="faces.npz, for the changed photographs")
    parser.add_argument("--count", type=int, default=600, help="number of pasted faces")
    parser.add_argument("--only", choices=["crops", "pasted", "changed"], help="a part of the figures")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = load_split(options.data, "test")
    if options.only in (None, "crops"):
        measure_crops(split)
    if options.only in (None, "pasted"):
        measure_pasted(split, options.count, options.device)
    if options.faces and options.only in (None, "changed"):
        measure_changed(options.faces, min(options.count, 96), options.device)


if __name__ == "__main__":
    main()
