"""embed_faces: one vector per face."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from avfer.catalog import find
from avfer.stages.blocks import blocks
from avfer.types import FaceCrops, FaceFeatures, concat, no_faces
from avfer.weights import Card, load_into, locate, sha256

BATCH = 32  # faces at once


class Backbone(Protocol):
    """A network that makes vectors of faces."""

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) normalised as the card says -> (N, D)."""
        ...


@dataclass
class EmbedFaces:
    """Read every crop with a face backbone; size, mean and std are those of its card."""

    backbone: str = "aver_lite"
    weights: str = "builtin"
    card: Card = field(init=False, repr=False)
    _path: Path = field(init=False, repr=False)
    _network: Backbone | None = field(default=None, init=False, repr=False)
    _device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)

    def __post_init__(self) -> None:
        find("backbone", self.backbone)
        self._path, self.card = locate(self.backbone, self.weights)

    def widths(self, faces: dict[str, int]) -> dict[str, int]:
        return {"face": self.card.features or 0}

    def files(self) -> dict[str, str]:
        return {self._path.name: sha256(self._path)}

    def load(self, device: torch.device) -> None:
        network: nn.Module = find("backbone", self.backbone)(**self.card.options)
        load_into(network, self._path, self.card)
        network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._network = cast(Backbone, network)
        self._device = device

    def start(self) -> FaceCrops | None:
        return None

    def step(self, state: FaceCrops | None, faces: FaceCrops) -> tuple[FaceCrops | None, FaceFeatures]:
        """Features of whole blocks of frames; the crops of an open block are kept."""
        whole, rest = blocks(state, faces)
        if not whole:
            nothing = rest.clock.part(rest.clock.first, rest.clock.first)
            return rest, FaceFeatures(no_faces(nothing), self._embed(rest.pixels[:0]))
        return rest, concat([FaceFeatures(block.faces, self._embed(block.pixels)) for block in whole])

    def _embed(self, crops: Tensor) -> Tensor:
        """crops: (N, S, S, 3) uint8 RGB -> (N, D) float32."""
        assert self._network is not None, "load() comes first"
        mean = torch.tensor(self.card.mean, device=self._device) * 255
        std = torch.tensor(self.card.std, device=self._device) * 255
        features = [torch.zeros((0, self.card.features or 0), device=self._device)]
        for part in crops.split(BATCH) if len(crops) else ():
            pixels = (part.to(self._device) - mean) / std
            features.append(self._network.features(pixels.permute(0, 3, 1, 2)))
        return torch.cat(features)
