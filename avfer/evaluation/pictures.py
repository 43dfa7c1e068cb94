"""Read the pictures of a corpus with a face network: each is resized to the network's crop as it is, aspect ignored."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.card import Card
from avfer.catalog import find
from avfer.datasets.example import Example
from avfer.errors import ConfigError
from avfer.stages.embed_faces import Classifier, normalised, own_width, told
from avfer.weights import load_into, locate, sha256

BATCH = 64


class Reader(NamedTuple):
    """A network ready to read pictures."""

    card: Card
    network: nn.Module
    device: torch.device
    files: dict[str, str]  # weight file -> sha256


def reader(name: str, weights: str, device: torch.device) -> Reader:
    """The network of the catalog with its weights; ConfigError where it has no heads of its own."""
    path, card = locate(name, weights)
    network: nn.Module = find("backbone", name)(**card.options)
    if not hasattr(network, "read") or not own_width(card):
        raise ConfigError(f"{name} tells no expression by itself; name a network with classes, imported with --classes")
    load_into(network, path, card)
    return Reader(card, network.eval().requires_grad_(False).to(device), device, {path.name: sha256(path)})


def read_pictures(
    reader: Reader, examples: Iterable[Example], load: Callable[[Example], np.ndarray]
) -> Iterator[tuple[Example, np.ndarray]]:
    """Each example with what the network tells (O,): valence and arousal, probabilities of classes, of action units.

    `load` gives a picture as (H, W, 3) uint8 RGB.
    """
    left = iter(examples)
    while some := list(islice(left, BATCH)):
        crops = torch.cat([_crop(load(example), reader.card.size or 0) for example in some]).to(reader.device)
        with torch.inference_mode():
            values = told(reader.card, cast(Classifier, reader.network).read(normalised(reader.card, crops)))
        yield from zip(some, values.cpu().numpy(), strict=True)


def _crop(picture: np.ndarray, side: int) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, side, side) in [0, 255]; bilinear with antialiasing where the size differs."""
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
    if pixels.shape[2:] == (side, side):
        return pixels
    return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True).round().clamp(0, 255)
