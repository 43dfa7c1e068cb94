"""Fit the temperature of every embedded head to its card: `python -m tools.train.temperature FERPLUS`.

The logits of expressions are divided by one number, which minimises the cross-entropy of the majority labels of the
FER+ validation split (Guo et al. 2017, On Calibration of Modern Neural Networks). The weights do not change. Run it
after `aver_lite`, `linear_lite` or `gru_lite` was trained; `tools.bench.expression` measures the test split.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.backbones.aver_lite import AverLite
from avfer.models.card import Card
from avfer.models.card_files import BUILTIN, read_card
from avfer.models.network import normalised
from avfer.models.weights import load_into
from avfer.stages.affect_network import AffectNetwork
from tools.train.cards import update_card
from tools.train.ferplus import load_faces, majority
from tools.train.measures import measure_pictures

INSTANTS = 10  # for which a model with memory reads the same face before its logits are taken
AFFECT_MODELS = ("linear_lite", "gru_lite")


@dataclass(frozen=True, eq=False)
class Split:
    """The faces of a split of FER+ that have a majority label."""

    pictures: Tensor  # (N, 48, 48) uint8
    labels: Tensor  # (N,) int64 indices of CLASSES
    in_train: Tensor  # (N,) bool, whether the same pixels are in the train split too
    measures: Tensor  # (N, M) float32, NaN where unknown


def load_split(data: Path, split: str, folder: Path = BUILTIN) -> Split:
    """Return the faces of a split ("valid" or "test"). data: folder of FER+; folder: of the weights of face_lite."""
    pictures, arrays = load_faces(data, split)
    labels, keep = majority(arrays["votes"])
    in_train = arrays["dup_in_train"][keep]
    measures = measure_pictures(data, split, pictures, folder)[torch.from_numpy(keep)]
    return Split(*(torch.from_numpy(array) for array in (pictures[keep], labels[keep], in_train)), measures)


def load_backbone(folder: Path = BUILTIN) -> tuple[AverLite, Card]:
    """Return aver_lite with the weights of a folder, in evaluation mode, and its card."""
    card = read_card(folder / "aver_lite.json")
    network = AverLite(**card.options)
    load_into(network, folder / "aver_lite.safetensors", card)
    return network.eval().requires_grad_(False), card


@torch.no_grad()
def face_features(pictures: Tensor, network: AverLite, card: Card) -> Tensor:
    """Return the features of grey faces that fill their picture: (N, S, S) uint8 -> (N, 256)."""
    parts = [normalised(card, part[:, None].expand(-1, 3, -1, -1)) for part in pictures.split(128)]
    return torch.cat([network.features(part) for part in parts])


@torch.no_grad()
def affect_logits(network: AffectNetwork, inputs: Tensor) -> Tensor:
    """Return the logits of expressions after each face was read for INSTANTS, without a voice.

    inputs: (N, 256 + M) features and measures -> (N, K).
    """
    parts: list[Tensor] = []
    for part in inputs.split(256):
        face = part[:, None].expand(-1, INSTANTS, -1)
        voice = part.new_zeros(len(part), INSTANTS, network.card.inputs.get("voice", 0))
        present = torch.ones(len(part), INSTANTS, dtype=torch.bool)
        logits = network.model.sequence(face, voice, present, ~present).expression_logits
        assert logits is not None, f"{network.card.name} has a head for expressions"
        parts.append(logits[:, -1])
    return torch.cat(parts)


def heads(
    features: Tensor, measures: Tensor, network: AverLite, folder: Path = BUILTIN
) -> Iterator[tuple[Path, Tensor]]:
    """Yield the card's path and the logits (N, K) of each head in a folder.

    features: (N, 256) of aver_lite; measures: (N, M) of the same faces.
    """
    yield folder / "aver_lite.json", network.expression(features)
    for name in AFFECT_MODELS:
        for path in sorted(folder.glob(f"{name}*.safetensors")):
            model = AffectNetwork.load(name, str(path), torch.device("cpu"))
            inputs = torch.cat([features, measures], 1) if "measures" in model.card.inputs else features
            yield path.with_suffix(".json"), affect_logits(model, inputs)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature at which the cross-entropy is lowest. logits: (N, K); labels: (N,) int64 -> in (0.05, 20).

    The cross-entropy is convex in 1 / temperature; its slope is the mean logit that the probabilities expect, minus
    the mean logit of the labels. Bisection finds where the slope is 0.
    """
    low, high = 0.05, 20.0  # of 1 / temperature
    scores = logits.double()
    of_labels = scores.gather(1, labels[:, None]).mean()
    for _ in range(60):
        middle = (low * high) ** 0.5
        expected = ((scores * middle).softmax(1) * scores).sum(1).mean()
        low, high = (low, middle) if expected > of_labels else (middle, high)
    return (low * high) ** -0.5


def write_temperature(path: Path, temperature: float) -> None:
    """Write the temperature to a card, which keeps all else."""
    update_card(path, temperature=round(temperature, 3))


def main() -> None:
    """Fit and write the temperatures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with valid.npz")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder of the weights and cards")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = load_split(options.data, "valid", options.folder)
    network, card = load_backbone(options.folder)
    features = face_features(split.pictures, network, card)
    for path, logits in heads(features, split.measures, network, options.folder):
        temperature = fit_temperature(logits, split.labels)
        before, after = (F.cross_entropy(logits / t, split.labels).item() for t in (1.0, temperature))
        print(f"{path.stem}: temperature {temperature:.3f}; cross-entropy {before:.4f} before, {after:.4f} after")
        write_temperature(path, temperature)


if __name__ == "__main__":
    main()
