"""Tiny images whose colours show every label, so that a small network learns each within seconds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from avfer.datasets.example import Corpus, Example, Labels, Notes
from avfer.models.backbones.face_embedding import FaceEmbedding
from avfer.models.card import Card
from avfer.models.factory import create
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction
from avfer.models.weights import card_of, save
from avfer.training.training_config import TrainConfig, make_config

NAMES = ("happiness", "neutral", "fear")
MODEL = "tests.training.toy_images:Tiny"
EMBEDDING = "tests.training.toy_images:TinyEmbedding"
NAME = "tests.training.toy_images:Squares"
SIDE = 32


class Squares(Corpus):
    """Class: position of a bright square; valence: its red; arousal: its blue; AU01: a dark stripe at the bottom."""

    name = "squares"
    distribution = "made"
    protocol = "one label for each image"
    partitions = ("train", "dev")

    def __init__(
        self,
        root: Path,
        count: int = 24,
        classes: int = 3,
        kinds: tuple[str, ...] = ("expression",),
        rare: int = 1,
        broken: bool = False,
    ) -> None:
        self.root, self.notes = root, Notes()
        self.count, self.classes, self.kinds, self.rare, self.broken = count, classes, kinds, rare, broken

    def examples(self, partition: str) -> Iterator[Example]:
        for number in range(self.count):
            yield self._example(partition, number)

    def picture(self, example: Example) -> np.ndarray:
        random = np.random.default_rng([partition_number(example), int(example.id.split("_")[1])])
        label, truth = self._truth(example.id)
        pixels = np.full((SIDE, SIDE, 3), 60.0) + random.normal(0, 8, (SIDE, SIDE, 3))
        pixels[..., 1] += np.linspace(0, 60, SIDE)  # every position has its own colour
        pixels[..., 2] += np.linspace(0, 60, SIDE)[:, None]
        top, left = divmod(label, 2)
        pixels[top * 14 + 2 : top * 14 + 14, left * 16 + 2 : left * 16 + 14] += (
            truth[0] * 60 + 60,
            70,
            truth[1] * 60 + 60,
        )
        if truth[2]:
            pixels[-4:] = 0
        return pixels.clip(0, 255).astype(np.uint8)

    def _truth(self, name: str) -> tuple[int, np.ndarray]:
        partition, number = name.split("_")
        random = np.random.default_rng([7 + len(partition), int(number)])
        label = 0 if int(number) % self.rare else int(number) // self.rare % self.classes
        return label, np.append(random.uniform(-1, 1, 2), random.integers(2))

    def _example(self, partition: str, number: int) -> Example:
        name = f"{partition}_{number}"
        label, truth = self._truth(name)
        votes = np.ones((1, 3))
        votes[0, label] = 8
        valid = np.array([True])
        labels = {
            "expression": Labels(np.array([label]), valid, NAMES[: self.classes]),
            "votes": Labels(votes[:, : self.classes], np.ones((1, self.classes), bool), NAMES[: self.classes]),
            "valence": Labels(np.array([np.nan if self.broken and number == 5 else truth[0]]), valid),
            "arousal": Labels(truth[1:2], valid),
            "action_units": Labels(truth[None, 2:], valid[:, None], ("AU01",)),
        }
        return Example(name, partition, {kind: labels[kind] for kind in self.kinds})  # pyright: ignore[reportArgumentType]


class Trios(Corpus):
    """Three grey images as files, the odd one white; annotators disagree on every fifth trio."""

    name, distribution, protocol = "trios", "made", ""
    partitions = ("train",)

    def __init__(self, root: Path, count: int = 10) -> None:
        self.root, self.count, self.notes = root, count, Notes()

    def examples(self, partition: str) -> Iterator[Example]:
        for number in range(self.count):
            odd, paths = number % 3, tuple(self.root / f"{number}_{place}.png" for place in range(3))
            for place, path in enumerate(paths):
                Image.new("RGB", (20, 20), (255, 255, 255) if place == odd else (100 + number,) * 3).save(path)
            labels = {
                "odd": Labels(np.eye(3)[odd], np.full(3, number % 5 != 4)),
                "kind": Labels(np.full(3, number % 2), np.full(3, True), ("ONE_CLASS_TRIPLET", "TWO_CLASS_TRIPLET")),
            }
            yield Example(f"trio_{number}", partition, labels, pictures=paths)  # pyright: ignore[reportArgumentType]


def partition_number(example: Example) -> int:
    return Squares.partitions.index(example.partition)


class Tiny(FaceNetwork):
    """A network of a few thousand weights with all heads."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 16, 2, 2), nn.ReLU(), nn.Flatten()]
        self.trunk = nn.Sequential(*layers)
        self.expression = nn.Linear(256, num_classes)
        self.pair, self.units = nn.Linear(256, 2), nn.Linear(256, 1)

    @classmethod
    def card(cls, num_classes: int = 3) -> Card:
        options = {} if num_classes == 3 else {"num_classes": num_classes}
        values = {"name": MODEL, "task": "toy", "description": "toy", "options": options, "features": 256}
        values |= {"size": SIDE, "mean": [0.4] * 3, "std": [0.2] * 3, "valence_arousal": True, "action_units": ["AU01"]}
        return Card(**values)

    def predict(self, crops: Tensor) -> Prediction:
        x = self.trunk(crops)
        return Prediction(x, self.expression(x), self.pair(x).tanh(), self.units(x))

    def features(self, crops: Tensor) -> Tensor:
        return self.trunk(crops)


class TinyEmbedding(FaceNetwork):
    """A network of the form of AVER's teacher and student."""

    offers = frozenset({"embedding"})

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.trunk = Tiny().trunk
        self.head = FaceEmbedding(256, num_classes, 8)

    @classmethod
    def card(cls, num_classes: int = 3) -> Card:
        update = {"name": EMBEDDING, "features": 8, "valence_arousal": False, "action_units": []}
        return Tiny.card(num_classes).model_copy(update=update)

    def predict(self, crops: Tensor) -> Prediction:
        _, embedding, logits = self.head(self.trunk(crops))
        return Prediction(embedding, logits, extras={"embedding": embedding})


def settings(folder: Path, **changes: Any) -> TrainConfig:
    values = {"corpus": NAME, "root": "made", "output": str(folder), "targets": ["expression"], "model": MODEL}
    values |= {"size": SIDE, "augment": "none", "epochs": 2, "batch": 8, "threads": 1, "device": "cpu", "clip": 0}
    values |= {"optimiser": {"name": "adam", "rate": 2e-3, "schedule": "constant", "weight_decay": 0}}
    return make_config(values | changes, "toy")


def teacher(folder: Path, name: str, classes: list[str], size: int) -> Path:
    """Write a network of random weights with unequal class logits and its card; return the file."""
    torch.manual_seed(3)
    network = create(name, num_classes=len(classes))
    tensors = network.state_dict()
    last = next(n for n in tensors if n.endswith(("expression.bias", "fc.bias")))
    tensors[last].copy_(torch.linspace(2, -2, len(classes)))
    card = card_of(name, num_classes=len(classes)).model_copy(update={"classes": classes, "size": size})
    return save(network, card, folder / f"{name}.safetensors")
