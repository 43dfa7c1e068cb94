"""Measure face_lite: `python -m tools.bench.face_measures CROPS WEIGHTS`.

Prints, for persons and heads that were never trained on: Pearson's r of each action unit with the teacher (the Face
Landmarker) on photographs at full size, at 48 px, and with drawn moustaches and beards; response to single movements
of rendered heads; errors of the head's rotation; signs of the gaze; and what separates neutral from happy and disgusted
faces of FER+. CROPS is the folder of tools.train.face_measures_data, WEIGHTS a state saved by tools.train.face_measures
or a .safetensors file.
"""

import argparse
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from avfer.models.backbones.face_lite import SIDE, FaceLite, split_outputs
from avfer.models.card import Metric
from avfer.models.card_files import read_card
from avfer.models.face_measurer import ACTION_UNITS, FaceOutputs, action_units
from avfer.models.weights import load_into
from tools.renders.sweeps import SWEEPS, WEIGHTS
from tools.train.face_hair import change
from tools.train.face_measures import correlations, predict
from tools.train.face_measures_corpus import HELD_OUT, TEST_RENDERS, Corpus, read_shards
from tools.train.face_measures_data import SHARED, align, columns_of
from tools.train.face_measures_targets import lips_apart
from tools.train.face_measures_template import MARGIN
from tools.train.ferplus import CLASSES, majority

UNITS = list(ACTION_UNITS)
MAIN = ("au01", "au02", "au04", "au05", "au07", "au10", "au12", "au17", "au20", "au25", "au26", "au45")
STRICT = ("au01", "au02", "au12", "au25", "au26", "au45")  # units that must follow a movement most closely
MOUTH = ("au10", "au12", "au17", "au20", "au25", "au26")  # units that hair about the mouth can hide
FROM_RENDERS = ("au06", "au09")  # units that the teacher does not know


def load(path: Path) -> FaceLite:
    """Return the network in evaluation mode, with the weights rounded to half precision as they are stored."""
    if path.suffix == ".safetensors":
        card = read_card(path.with_suffix(".json"))
        model = FaceLite(**card.options)
        load_into(model, path, card)
    else:
        model = FaceLite()
        model.load_state_dict(torch.load(path, weights_only=True))
        model.half().float()
    return model.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def measure(model: FaceLite, pixels: Tensor) -> FaceOutputs:
    """Return the outputs for crops with a margin: (N, 120, 120, C) uint8 -> FaceOutputs."""
    return split_outputs(predict(model, pixels))


def units_of(outputs: FaceOutputs) -> np.ndarray:
    """Return the action units in the order of UNITS: (N, 21)."""
    return action_units(outputs.activations).numpy()


def row(name: str, values: Iterable[float], digits: int = 2) -> None:
    """Print a line of numbers."""
    print(f"  {name:<28}" + " ".join(f"{value:>5.{digits}f}" for value in values))


def head_row(units: Sequence[str]) -> None:
    """Print the names of the units above their numbers."""
    print(f"  {'':<28}" + " ".join(f"{unit[2:]:>5}" for unit in units))


def shrunk(data: Path, side: int, index: np.ndarray) -> Tensor:
    """Return the crops of the held-out photographs, reduced to grey pictures of `side` px first: (N, 120, 120, 3)."""
    with np.load(data / "faces" / "faces.npz") as arrays:
        z = {name: arrays[name] for name in ("jpg", "offset", "person", "landmarks")}
    columns, jpg, offset = columns_of(index), z["jpg"].tobytes(), z["offset"]
    crops: list[np.ndarray] = []
    for i in np.flatnonzero(z["person"] % HELD_OUT == 0):
        picture = (
            Image.open(io.BytesIO(jpg[offset[i] : offset[i + 1]]))
            .convert("L")
            .resize((side, side), Image.Resampling.BOX)
        )
        points = z["landmarks"][i, columns].astype(np.float64) * side
        crops.append(align(np.array(picture.convert("RGB")), points)[0])
    return torch.from_numpy(np.stack(crops))


def metric(name: str, value: float, protocol: str) -> Metric:
    """Return a measured number, rounded to four digits."""
    return Metric(name=name, value=round(float(value), 4), protocol=protocol)


def persons(model: FaceLite, corpus: Corpus, data: Path) -> list[Metric]:
    """Print r of each action unit with the teacher on unseen persons, and errors of rotation and landmarks.

    Return the r of each unit and of the main units on average, at both sizes, and the error of rotation.
    """
    found: list[Metric] = []
    faces = corpus.held_out
    targets = faces.targets
    goal = action_units(targets.activations).numpy()
    known = [unit for unit in UNITS if unit not in FROM_RENDERS]
    columns, main = [UNITS.index(unit) for unit in known], [known.index(unit) for unit in MAIN]
    print(f"{len(faces.pixels)} photographs of unseen persons: r with the teacher")
    head_row(known)
    full = measure(model, faces.pixels)
    small = measure(model, shrunk(data, 48, corpus.index))
    for name, outputs in (("160 px", full), ("48 px grey", small)):
        r = correlations(units_of(outputs)[:, columns], goal[:, columns])
        row(name, r)
        lowest = f"{MAIN[r[main].argmin()]} {r[main].min():.2f}"
        print(f"    mean of {len(MAIN)} main units {r[main].mean():.3f}, lowest {lowest}")
        protocol = f"Pearson's r with the Face Landmarker, {len(faces.pixels)} photographs of unseen persons, {name}"
        found += [metric(f"r {unit}", value, protocol) for unit, value in zip(known, r, strict=True)]
        found += [metric(f"r, mean of {len(MAIN)} action units", r[main].mean(), protocol)]
    for name, outputs in (("160 px", full), ("48 px grey", small)):
        error = (outputs.rotation - targets.rotation).abs().mean(0).tolist()
        row(f"{name}: rotation off, degrees", [*error, float(np.mean(error))])
        row(f"{name}: landmarks off, % side", [100 * (outputs.landmarks - targets.landmarks).abs().mean().item()])
        row(f"{name}: presence found", [(outputs.presence > 0).float().mean().item()])
        found.append(metric("rotation off, degrees", float(np.mean(error)), f"the same photographs, {name}"))
    return found


def hairy(model: FaceLite, corpus: Corpus) -> list[Metric]:
    """Print r of mouths with the teacher where moustaches, other lips or darker skin are drawn on unseen persons.

    Return the r of each unit, and how far lips are found more apart than they are.
    """
    faces, rng = corpus.held_out, np.random.default_rng(0)
    points = faces.targets.landmarks.numpy() * SIDE + MARGIN
    drawn = [change(one, at, rng) for one, at in zip(faces.pixels.numpy(), points, strict=True)]
    outputs = measure(model, torch.from_numpy(np.stack(drawn)))
    columns = [UNITS.index(unit) for unit in MOUTH]
    r = correlations(units_of(outputs)[:, columns], action_units(faces.targets.activations).numpy()[:, columns])
    apart = [lips_apart(one.landmarks.numpy(), corpus.index) for one in (outputs, faces.targets)]
    gap = 100 * float(np.mean(apart[0] - apart[1]))
    print(f"{len(drawn)} photographs of unseen persons with drawn hair, other lips or darker skin: r with the teacher")
    head_row(MOUTH)
    row("160 px", r)
    row("lips too far apart, % of face", [gap])
    protocol = f"{len(drawn)} photographs of unseen persons with drawn hair, other lips or darker skin"
    found = [metric(f"r {unit}, drawn hair", value, protocol) for unit, value in zip(MOUTH, r, strict=True)]
    return [*found, metric("lips too far apart, % of the face's height", gap, protocol)]


def responses(model: FaceLite, folder: Path) -> list[Metric]:
    """Print how each action unit follows its movement on rendered heads, and which others move along.

    Return the rank correlations, the gains, and the units that move along.
    """
    paths = sorted(folder.glob("[0-9]*[0-9].npz"))
    gain, rank = np.zeros((len(paths), len(SWEEPS), len(UNITS))), np.zeros((len(paths), len(SWEEPS)))
    smiles: list[bool] = []
    for p, path in enumerate(paths):
        with np.load(path) as arrays:
            values = units_of(measure(model, torch.from_numpy(arrays["pixels"])))
            unit, weight = arrays["unit"], arrays["weight"]
        for k, name in enumerate(SWEEPS):
            rows = np.concatenate([np.flatnonzero(unit == -1), np.flatnonzero(unit == k)])
            own = values[rows, UNITS.index(name)]
            rank[p, k] = spearmanr(weight[rows], own).statistic
            gain[p, k] = values[rows[-1]] - values[rows[0]]
            if name == "au12":
                smiles += (own[1:] > own[0]).tolist()
    names = list(SWEEPS)
    print(f"{len(paths)} unseen rendered heads, one movement at {WEIGHTS}")
    head_row(names)
    own = np.array([gain[:, k, UNITS.index(name)].mean() for k, name in enumerate(names)])
    row("Spearman within heads, mean", rank.mean(0))
    row("gain from 0 to 1", own)
    others = [name for name in names if name not in (*STRICT, *FROM_RENDERS)]
    means = rank.mean(0)
    print(
        f"    strict units: lowest {min(means[names.index(n)] for n in STRICT):.3f}; the others: mean"
        f" {np.mean([means[names.index(n)] for n in others]):.3f}; AU06 and AU09 apart"
    )
    protocol = f"{len(paths)} rendered heads that were not trained on, one movement at weights 0 to 1"
    moves = along(names, gain.mean(0), protocol)
    print(f"    AU12 above neutral on the same head: {np.mean(smiles):.3f} of {len(smiles)} pairs")
    found = [
        metric(f"Spearman {name}", value, f"{protocol}, within heads") for name, value in zip(names, means, strict=True)
    ]
    found += [metric(f"gain {name}", value, protocol) for name, value in zip(names, own, strict=True)]
    smiling = metric("AU12 above neutral, same head", float(np.mean(smiles)), f"{protocol}, {len(smiles)} pairs")
    return [*found, *moves, smiling]


def along(names: Sequence[str], gain: np.ndarray, protocol: str) -> list[Metric]:
    """Print which units move by more than half as much as the one that a head moves; return those that are measured.

    names: the moved units; gain: (len(names), len(UNITS)) mean change of each unit from weight 0 to 1.
    """
    found: list[Metric] = []
    for name, gains in zip(names, gain, strict=True):
        shares = gains / gains[UNITS.index(name)]
        others = [j for j in np.argsort(-np.abs(shares)) if UNITS[j] != name and abs(shares[j]) > 0.5]
        if others:
            moved = ", ".join(f"{UNITS[j]} {shares[j]:+.2f}" for j in others)
            print(f"    {name} also moves {moved} (shares of its own gain)")
        found += [
            metric(f"{UNITS[j]} where {name} moves", shares[j], f"{protocol}, share of the gain of {name}")
            for j in others
            if name not in FROM_RENDERS and UNITS[j] not in FROM_RENDERS
        ]
    return found


def angles(model: FaceLite, corpus: Corpus, folder: Path) -> list[Metric]:
    """Print and return errors of rotation on unseen renders, and the share of looks aside with the right sign."""
    faces = corpus.renders(range(TEST_RENDERS, 10**6))
    outputs, targets = measure(model, faces.pixels), faces.targets
    within = targets.rotation.abs().max(1).values <= 30
    error = (outputs.rotation - targets.rotation)[within]
    print(f"{int(within.sum())} unseen renders turned by 30 degrees at most")
    row("yaw, pitch, roll off, degrees", [*error.abs().mean(0).tolist(), error.abs().mean().item()])
    row("mean error (bias)", error.mean(0).tolist())
    row("gaze yaw, pitch off, degrees", (outputs.gaze - targets.gaze)[within].abs().mean(0).tolist())
    r = correlations(action_units(outputs.activations).numpy(), action_units(targets.activations).numpy())
    head_row(UNITS)
    row("r with the true weights", r)
    found = [
        metric(f"{name} off, degrees", value, f"{int(within.sum())} unseen renders turned by 30 degrees at most")
        for name, value in zip(("yaw", "pitch", "roll"), error.abs().mean(0).tolist(), strict=True)
    ]
    with np.load(folder / "looks.npz") as arrays:
        gaze = measure(model, torch.from_numpy(arrays["pixels"])).gaze.numpy()
        truth = arrays["gaze"]
    for axis, name in enumerate(("yaw", "pitch")):
        far = np.abs(truth[:, axis]) >= 15
        right = np.sign(gaze[far, axis]) == np.sign(truth[far, axis])
        row(f"looks aside, {name}: sign right", [right.mean(), np.abs(gaze - truth)[:, axis].mean()])
        protocol = f"{int(far.sum())} unseen renders that look 15 degrees or more aside"
        found.append(metric(f"gaze {name}, sign right", right.mean(), protocol))
    return found


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the share of pairs in which the positive value is the larger one; ties count one half.

    positive: (P,) float; negative: (N,) float.
    """
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    return float(roc_auc_score(labels, np.concatenate([positive, negative])))


def expressions(model: FaceLite, crops: Path, data: Path) -> list[Metric]:
    """Print how well action units separate neutral from other faces of the FER+ test split.

    Return the areas under the curve of AU12 and AU06 for happiness, and of AU09 for disgust.
    """
    found: list[Metric] = []
    arrays = read_shards(crops / "ferplus_test")
    with np.load(data / "ferplus" / "test.npz") as labels:
        label, keep = majority(labels["votes"])
    label = np.where(keep, label, -1)[arrays["person"]]
    values = units_of(measure(model, torch.from_numpy(arrays["pixels"])))
    by_class = {name: values[label == k] for k, name in enumerate(CLASSES)}
    print("FER+ test: area under the curve of an action unit, an expression against neutral")
    for unit in ("au12", "au06", "au09", "au04", "au10", "au25", "au26", "au01", "au05", "au15"):
        k = UNITS.index(unit)
        shares = [area_under_curve(by_class[name][:, k], by_class["neutral"][:, k]) for name in CLASSES[1:]]
        print(f"  {unit} " + " ".join(f"{name} {share:.3f}" for name, share in zip(CLASSES[1:], shares, strict=True)))
        wanted = {"au12": "happiness", "au06": "happiness", "au09": "disgust"}.get(unit, "")
        if wanted:
            protocol = (
                f"FER+ test, majority labels, {len(by_class[wanted])} {wanted} and {len(by_class['neutral'])} neutral"
            )
            value = shares[CLASSES[1:].index(wanted)]
            found.append(metric(f"area under the curve {unit}, {wanted} against neutral", value, protocol))
    return found


def figures(model: FaceLite, crops: Path, data: Path) -> list[Metric]:
    """Print all figures and return those for the card. crops: folder of the shards; data: folder of the face data."""
    corpus = Corpus(crops, data)
    with torch.inference_mode():
        return [
            *persons(model, corpus, data),
            *hairy(model, corpus),
            *responses(model, crops / "sweeps"),
            *angles(model, corpus, crops / "sweeps"),
            *expressions(model, crops, data),
        ]


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with the data of all corpora")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures(load(options.weights), options.crops, options.data)


if __name__ == "__main__":
    main()
