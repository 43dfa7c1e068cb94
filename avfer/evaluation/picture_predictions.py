"""Predictions for the pictures of a corpus by a face network.

Each picture is resized to the input size of the network, without detection or alignment and ignoring its aspect ratio,
as corpora of cropped faces (FER+, AffectNet) are scored.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.example import Corpus, Example, Partition
from avfer.datasets.pictures import read_picture, to_rgb
from avfer.errors import ConfigError
from avfer.evaluation.alignment import AlignedPredictions, all_columns_of
from avfer.evaluation.prediction_sources import UNKNOWN, PredictionOrigin
from avfer.models.card import Card
from avfer.models.network import FaceNetwork, construct, find_network, normalised, resized
from avfer.models.weights import load_into, locate, sha256
from avfer.stages.embed_faces import own_outputs, own_width

BATCH = 64  # pictures at once
RESIZING_RULE = "each picture is resized to the input size of the network, aspect ratio ignored"


class PictureNetwork(NamedTuple):
    """A face network with its weights, ready to predict."""

    card: Card
    network: FaceNetwork
    device: torch.device
    files: dict[str, str]  # weight file -> sha256

    @property
    def columns(self) -> list[str]:
        """Names of the O outputs, as in the table of a pipeline."""
        affect = ["valence", "arousal"] if self.card.valence_arousal else []
        units = [f"au{int(name[2:]):02d}" for name in self.card.action_units]
        return [*affect, *(f"p_{name}" for name in self.card.classes), *units]


class PictureSource:
    """Predictions of a face network for the pictures of a corpus; a `PredictionSource`."""

    def __init__(self, network: PictureNetwork) -> None:
        card = network.card
        self.network = network
        self.origin = PredictionOrigin({"model": card.name}, dict(network.files), {card.name: card.data or UNKNOWN})

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[AlignedPredictions]:
        """Yield the examples of a partition with the outputs of the network; DatasetError for a damaged picture."""
        names = self.network.columns
        for example, values in predict_pictures(self.network, corpus, corpus.examples(partition)):
            given = dict(zip(names, values.T, strict=True))
            missing = np.full(len(example), np.nan)
            columns = all_columns_of(example)
            yield AlignedPredictions.from_values(example, {column: given.get(column, missing) for column in columns})


def load_picture_network(name: str, weights: str, device: torch.device) -> PictureNetwork:
    """Load a face network of the catalog and its weights.

    weights: "builtin", a path or a URL. Raises ConfigError if the network has no outputs but features, WeightsError if
    the weights cannot be used.
    """
    find_network(name, FaceNetwork)  # an unknown name is an error of its own
    path, card = locate(name, weights)
    network = construct(name, FaceNetwork, card.options)
    if not own_width(card):
        raise ConfigError(f"{name} predicts no labels; choose a network with classes, imported with --classes")
    load_into(network, path, card)
    return PictureNetwork(card, network.eval().requires_grad_(False).to(device), device, {path.name: sha256(path)})


def predict_pictures(
    network: PictureNetwork, corpus: Corpus, examples: Iterable[Example]
) -> Iterator[tuple[Example, np.ndarray]]:
    """Yield each example with the outputs of the network at its T steps, (T, O) float64 in `network.columns`.

    A step without a picture is NaN. Raises DatasetError for a picture that cannot be read.
    """
    steps = ((example, step) for example in examples for step in range(len(example)))
    batches = iter(lambda: list(islice(steps, BATCH)), [])
    rows = ((e, row) for some in batches for (e, _), row in zip(some, _predict(network, corpus, some), strict=True))
    # By object, not by name: a faulty copy may have one name in two folders. `same` keeps the last object alive.
    for _, group in groupby(rows, key=lambda row: id(row[0])):
        same = list(group)
        yield same[0][0], np.stack([values for _, values in same])


def _predict(network: PictureNetwork, corpus: Corpus, steps: list[tuple[Example, int]]) -> np.ndarray:
    """Return the outputs (N, O) for N steps of examples."""
    pictures = [read_picture(corpus, example, step) for example, step in steps]
    values = np.full((len(steps), len(network.columns)), np.nan)
    crops = [_to_crop(picture, network.card.size or 0) for picture in pictures if picture is not None]
    if crops:
        with torch.inference_mode():
            pixels = normalised(network.card, torch.stack(crops).to(network.device))
            outputs = own_outputs(network.card, network.network.predict(pixels))
        values[[picture is not None for picture in pictures]] = outputs.double().cpu().numpy()
    return values


def _to_crop(picture: np.ndarray, side: int) -> Tensor:
    """Resize a picture.   (H, W) or (H, W, 3) uint8 -> (3, side, side) float32 in [0, 255]"""
    return resized(torch.tensor(to_rgb(picture)).permute(2, 0, 1), side)
