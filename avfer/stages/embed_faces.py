"""embed_faces: one vector per face, and what the network itself tells of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from avfer.catalog import find
from avfer.models.card import Card
from avfer.models.reading import Reading
from avfer.models.weights import load_into, locate, sha256
from avfer.stage import Cards
from avfer.stages.blocks import blocks
from avfer.types import FaceCrops, FaceFeatures, concat, no_faces

BATCH = 32  # faces at once


class Backbone(Protocol):
    """A network that makes vectors of faces."""

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) normalised as the card says -> (N, D)."""
        ...


class Classifier(Protocol):
    """A backbone with heads of its own."""

    def read(self, crops: Tensor) -> Reading:
        """crops: (N, 3, S, S) normalised as the card says -> features and what the heads say."""
        ...


@dataclass
class EmbedFaces:
    """Read every crop with a face backbone; size, mean, std and colour order are those of its card."""

    backbone: str = "aver_lite"
    weights: str = "builtin"
    card: Card = field(init=False, repr=False)
    _path: Path = field(init=False, repr=False)
    _network: Backbone | Classifier | None = field(default=None, init=False, repr=False)
    _device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)

    def __post_init__(self) -> None:
        find("backbone", self.backbone)
        self._path, self.card = locate(self.backbone, self.weights)

    @property
    def makes(self) -> Cards:
        """The network whose features these are."""
        return {"face": self.card}

    def files(self) -> dict[str, str]:
        """The weight file and its sha256."""
        return {self._path.name: sha256(self._path)}

    def load(self, device: torch.device) -> None:
        """Build the network and put its weights on the device."""
        network: nn.Module = find("backbone", self.backbone)(**self.card.options)
        load_into(network, self._path, self.card)
        network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._network = cast(Classifier, network) if hasattr(network, "read") else cast(Backbone, network)
        self._device = device

    def start(self) -> FaceCrops | None:
        """No block is open."""
        return None

    def step(self, state: FaceCrops | None, faces: FaceCrops) -> tuple[FaceCrops | None, FaceFeatures]:
        """Features of whole blocks of frames; the crops of an open block are kept."""
        whole, rest = blocks(state, faces)
        if not whole:
            nothing = rest.clock.part(rest.clock.first, rest.clock.first)
            return rest, FaceFeatures(no_faces(nothing), *self._embed(rest.pixels[:0]))
        return rest, concat([FaceFeatures(block.faces, *self._embed(block.pixels)) for block in whole])

    def _embed(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """crops: (N, S, S, 3) uint8 RGB -> features (N, D), what the network tells (N, O)."""
        features = [torch.zeros((0, self.card.width("face")), device=self._device)]
        own = [torch.zeros((0, own_width(self.card)), device=self._device)]
        for part in crops.split(BATCH) if len(crops) else ():
            reading = self._read(normalised(self.card, part.to(self._device).permute(0, 3, 1, 2)))
            features.append(reading.features)
            own.append(told(self.card, reading))
        return torch.cat(features), torch.cat(own)

    @torch.inference_mode()
    def _read(self, crops: Tensor) -> Reading:
        assert self._network is not None, "load() comes first"
        if hasattr(self._network, "read"):
            return cast(Classifier, self._network).read(crops)
        return Reading(cast(Backbone, self._network).features(crops))


def normalised(card: Card, pixels: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 255] -> float32, in the colour order of the card, less its mean, over its std."""
    mean = torch.tensor(card.mean, device=pixels.device)[:, None, None] * 255
    std = torch.tensor(card.std, device=pixels.device)[:, None, None] * 255
    return ((pixels.flip(1) if card.colour == "bgr" else pixels) - mean) / std


def own_width(card: Card) -> int:
    """Columns of what a network tells itself; a video model, which reads its own features over time, tells nothing."""
    return 0 if card.inputs else 2 * card.valence_arousal + len(card.classes) + len(card.action_units)


def told(card: Card, reading: Reading) -> Tensor:
    """(N, O): valence and arousal in [-1, 1], probabilities of the classes, of the action units.

    Here, where batches are counted from the start of the clip: the last bits of exp depend on the shape it is given.
    """
    parts = [reading.features[:, :0]]
    if card.valence_arousal and reading.valence_arousal is not None:
        parts.append(reading.valence_arousal.clamp(-1, 1))
    if card.classes and reading.expression_logits is not None:
        parts.append(reading.expression_logits.softmax(1))
    if card.action_units and reading.action_unit_logits is not None:
        parts.append(reading.action_unit_logits.sigmoid())
    return torch.cat(parts, 1)
