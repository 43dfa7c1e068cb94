"""Read the pictures of a corpus with a face network: each is resized to the network's crop as it is, aspect ignored."""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from avfer.catalog import find
from avfer.datasets.example import Corpus, Example
from avfer.errors import ConfigError, DatasetError
from avfer.models.card import Card
from avfer.models.weights import load_into, locate, sha256
from avfer.stages.embed_faces import Classifier, normalised, own_width, told

BATCH = 64
RULE = "each picture is resized to the network's crop as it is, aspect ignored"


class Reader(NamedTuple):
    """A network ready to read pictures."""

    card: Card
    network: nn.Module
    device: torch.device
    files: dict[str, str]  # weight file -> sha256

    @property
    def columns(self) -> list[str]:
        """What it tells of a picture, named as in the table of a pipeline."""
        affect = ["valence", "arousal"] if self.card.valence_arousal else []
        units = [f"au{int(name[2:]):02d}" for name in self.card.action_units]
        return [*affect, *(f"p_{name}" for name in self.card.classes), *units]


@runtime_checkable
class HoldsPictures(Protocol):
    """A corpus whose pictures are no files of their own."""

    def picture(self, example: Example) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8."""
        ...


def reader(name: str, weights: str, device: torch.device) -> Reader:
    """The network of the catalog with its weights; ConfigError where it has no heads of its own."""
    kind = find("backbone", name)
    path, card = locate(name, weights)
    network: nn.Module = kind(**card.options)
    if not hasattr(network, "read") or not own_width(card):
        raise ConfigError(f"{name} tells no expression by itself; name a network with classes, imported with --classes")
    load_into(network, path, card)
    return Reader(card, network.eval().requires_grad_(False).to(device), device, {path.name: sha256(path)})


def read_pictures(reader: Reader, corpus: Corpus, examples: Iterable[Example]) -> Iterator[tuple[Example, np.ndarray]]:
    """Each example with what the network tells at its steps (T, O), in `reader.columns`; NaN without a picture."""
    shown = ((example, step) for example in examples for step in range(len(example)))
    batches = iter(lambda: list(islice(shown, BATCH)), [])
    rows = ((e, row) for some in batches for (e, _), row in zip(some, _read(reader, corpus, some), strict=True))
    for _, group in groupby(rows, key=lambda row: row[0].id):
        same = list(group)
        yield same[0][0], np.stack([values for _, values in same])


def _read(reader: Reader, corpus: Corpus, steps: list[tuple[Example, int]]) -> np.ndarray:
    """(N, O) for N steps of examples."""
    pictures = [_picture(corpus, example, step) for example, step in steps]
    values = np.full((len(steps), len(reader.columns)), np.nan)
    crops = [_crop(picture, reader.card.size or 0) for picture in pictures if picture is not None]
    if crops:
        with torch.inference_mode():
            pixels = normalised(reader.card, torch.cat(crops).to(reader.device))
            read = told(reader.card, cast(Classifier, reader.network).read(pixels))
        values[[picture is not None for picture in pictures]] = read.double().cpu().numpy()
    return values


def _picture(corpus: Corpus, example: Example, step: int) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB; None where the corpus has none of the step."""
    if isinstance(corpus, HoldsPictures):
        held = corpus.picture(example)
        return held if held.ndim == 3 else np.repeat(held[..., None], 3, 2)
    path = example.pictures[step] if example.pictures else None
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DatasetError(f"{path} is no readable picture: {error}; get the file again") from error


def _crop(picture: np.ndarray, side: int) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, side, side) in [0, 255]; bilinear with antialiasing where the size differs."""
    pixels = torch.tensor(picture).permute(2, 0, 1)[None].float()
    if pixels.shape[2:] == (side, side):
        return pixels
    return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True).round().clamp(0, 255)
