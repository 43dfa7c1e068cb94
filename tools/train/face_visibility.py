"""Fit the visible parts of face_lite, after all else: `python -m tools.train.face_visibility CROPS WEIGHTS`.

Masks, sunglasses, hands and things are drawn over photographs and renders (tools/train/face_occlusions.py); a linear
layer on the last cells of the trained network learns which share of the mouth and of the eyes can still be seen. CROPS
is the folder of tools.train.face_measures_data; WEIGHTS is the .safetensors file of face_lite, which is written again
with the layer, and with its figures on the card. The other outputs keep their bits. Eight minutes on one core.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.backbones.face_lite import FaceLite
from avfer.models.card import Card, Metric
from avfer.models.card_files import read_card
from avfer.models.face_measurer import LANDMARK_INDEX, VISIBLE_PARTS
from avfer.models.weights import save
from tools.bench.face_measures import area_under_curve, load, metric
from tools.train.face_measures_augment import Augmentation, Targets, to_crops
from tools.train.face_measures_corpus import HELD_OUT, TEST_RENDERS, read_shards
from tools.train.face_measures_data import SIDE
from tools.train.face_measures_template import MARGIN
from tools.train.face_occlusions import KINDS, PUPILS, cover

BATCH = 96
# How often each kind of KINDS is drawn for training; for tests all are drawn equally often.
SHARES = {"plain": 0.22, "mask": 0.1, "hand on mouth": 0.09, "hand on eyes": 0.09}
OTHER_SHARE = 0.075
TRAINING = {"faces": 5000, "ferplus": 2000, "renders": 1500}  # drawn faces of each kind of picture
TESTS = {"faces": 1320, "ferplus": 1320, "renders": 550}
HIDDEN, SHOWN = 0.3, 0.98  # visible share of a part that counts as hidden, as visible in the figures


@dataclass(frozen=True, eq=False)
class Drawn:
    """Faces with something drawn over them, as the network reads them."""

    cells: Tensor  # (N, 1728) float32
    visible: Tensor  # (N, 2) float32 in [0, 1], of VISIBLE_PARTS
    kinds: np.ndarray  # (N,) int64, index in KINDS


def sources(crops: Path, train: bool) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield name and arrays (pixels, landmarks) of each kind of picture; tests have other persons and other heads."""
    faces = read_shards(crops / "faces")
    chosen = (faces["person"] % HELD_OUT == 0) != train
    yield "faces", {name: faces[name][chosen] for name in ("pixels", "landmarks")}
    yield "ferplus", read_shards(crops / f"ferplus_{'train' if train else 'test'}", range(5))
    yield "renders", read_shards(crops / "renders", range(3, 6) if train else range(TEST_RENDERS, 10**6))


def draw(
    arrays: dict[str, np.ndarray], index: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return some faces with something drawn over each, their visible shares and the kinds that were drawn.

    index: (N,) rows; shares: (len(KINDS),) probabilities -> (N, 120, 120, 3) uint8, (N, 2), (N,).
    """
    pixels, landmarks = arrays["pixels"], arrays["landmarks"]
    kinds = rng.choice(len(KINDS), len(index), p=shares)
    pairs = [
        cover(pixels[i], landmarks[i] + MARGIN, KINDS[kind], rng, pixels[rng.integers(len(pixels))])
        for i, kind in zip(index, kinds, strict=True)
    ]
    covered, visible = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(covered)), torch.from_numpy(np.stack(visible)).float(), kinds


@torch.inference_mode()
def draw_faces(model: FaceLite, arrays: dict[str, np.ndarray], count: int, seed: int, train: bool) -> Drawn:
    """Return `count` faces with something drawn over them, distorted as in the training of the network if `train`."""
    rng, g = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    pupils = tuple(LANDMARK_INDEX.index(point) for point in PUPILS)
    augment = Augmentation(range(len(LANDMARK_INDEX)), range(47), (pupils[0], pupils[1]))
    shares = np.array([SHARES.get(kind, OTHER_SHARE) if train else 1.0 for kind in KINDS])
    order = rng.permutation(np.resize(np.arange(len(arrays["pixels"])), count))
    parts: list[tuple[Tensor, Tensor, np.ndarray]] = []
    for start in range(0, count, BATCH):
        index = order[start : start + BATCH]
        pixels, visible, kinds = draw(arrays, index, shares / shares.sum(), rng)
        if train:
            n = len(index)
            points = torch.from_numpy(arrays["landmarks"][index]).float() / SIDE
            targets = Targets(points, torch.zeros(n, 47), torch.zeros(n, 3), torch.zeros(n, 2), torch.ones(n))
            moved, targets = augment(pixels, targets, g, occlude=False)
            there = targets.presence > 0
            moved, visible, kinds = moved[there], visible[there], kinds[there.numpy()]
        else:
            moved = to_crops(pixels)
        parts.append((model.cells(moved.contiguous(memory_format=torch.channels_last)), visible, kinds))
    cells, shown, kinds = zip(*parts, strict=True)
    return Drawn(torch.cat(cells), torch.cat(shown), np.concatenate(kinds))


def fit(drawn: list[Drawn], epochs: int = 20, rate: float = 2e-3) -> torch.nn.Linear:
    """Return the layer that estimates the logits of the visible shares from the cells, by logistic regression."""
    torch.manual_seed(0)
    cells, visible = torch.cat([one.cells for one in drawn]), torch.cat([one.visible for one in drawn])
    centre, spread = cells.mean(0), cells.std(0)
    scale = torch.where(spread > 0.1 * spread.median(), 1 / spread, 0.0)  # cells that hardly vary are not read
    x = (cells - centre) * scale
    layer = torch.nn.Linear(x.shape[1], visible.shape[1])
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.AdamW(layer.parameters(), rate, weight_decay=0.3)
    steps = len(x) // 128
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x))[: 128 * steps].split(128):
            loss = F.binary_cross_entropy_with_logits(layer(x[rows]), visible[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.sub_(layer.weight @ centre)
    return layer.half().float()  # rounded to half precision, as it will be stored


@torch.inference_mode()
def figures(layer: torch.nn.Linear, name: str, drawn: Drawn) -> list[Metric]:
    """Print how the visible parts are estimated for each kind of drawing, and return the areas under the curve."""
    shares = layer(drawn.cells).sigmoid().numpy()
    visible = drawn.visible.numpy()
    print(f"{name}: median (5 %, 95 %) of the estimated share of {' and of '.join(VISIBLE_PARTS)}")
    for number, kind in enumerate(KINDS):
        low, middle, high = np.quantile(shares[drawn.kinds == number], (0.05, 0.5, 0.95), axis=0)
        cells = [f"{m:.2f} ({a:.2f}, {b:.2f})" for a, m, b in zip(low, middle, high, strict=True)]
        print(f"  {kind:<16} " + "  ".join(cells))
    found: list[Metric] = []
    for column, part in enumerate(VISIBLE_PARTS):
        shown, hidden = (shares[rows, column] for rows in (visible[:, column] > SHOWN, visible[:, column] < HIDDEN))
        area = area_under_curve(shown, hidden)
        print(f"  {part}: area under the curve {area:.3f} ({len(shown)} visible, {len(hidden)} hidden)")
        protocol = f"{len(shown)} visible, {len(hidden)} hidden by drawings, test {name}"
        found.append(metric(f"area under the curve, {part} visible", area, protocol))
    return found


def main() -> None:
    """Fit the layer and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, card = load(options.weights), read_card(options.weights.with_suffix(".json"))
    drawn = [
        draw_faces(model, arrays, TRAINING[name], seed, train=True)
        for seed, (name, arrays) in enumerate(sources(options.crops, train=True), 4)
    ]
    layer = fit(drawn)
    found: list[Metric] = []
    for seed, (name, arrays) in enumerate(sources(options.crops, train=False), 1):
        found += figures(layer, name, draw_faces(model, arrays, TESTS[name], seed, train=False))
    print(save(with_layer(model, layer), new_card(card, found), options.weights, half=True))


def with_layer(model: FaceLite, layer: torch.nn.Linear) -> FaceLite:
    """Return the network with the layer for its visible parts."""
    whole = FaceLite(visibility=True)
    tensors = {name: value for name, value in model.state_dict().items() if not name.startswith("visible.")}
    whole.load_state_dict(tensors | {f"visible.{name}": value for name, value in layer.state_dict().items()})
    return whole.eval()


def new_card(card: Card, found: list[Metric]) -> Card:
    """Return the card with the option of the layer, and with new figures in place of earlier ones."""
    names = {one.name for one in found}
    kept = [one for one in card.metrics if one.name not in names]
    return card.model_copy(update={"options": card.options | {"visibility": True}, "metrics": [*kept, *found]})


if __name__ == "__main__":
    main()
