"""Stages that stand where a network would read faces or sound, and keep what it would have read."""

from dataclasses import dataclass

import torch
from torch import Tensor

from avfer.models.card import Card
from avfer.signal.log_mel import BANDS, PATCH_FRAMES
from avfer.stages.embed_voice import EmbedVoice
from avfer.types import FaceCrops, FaceFeatures


@dataclass
class KeepCrops:
    """In place of `embed_faces`: the crops that a network of this card reads, as they were cut out."""

    card: Card

    def __call__(self, faces: FaceCrops) -> FaceFeatures:
        """Values are (N, S, S, 3) uint8 RGB."""
        return FaceFeatures(faces.faces, faces.pixels)


@dataclass
class KeepPatches(EmbedVoice):
    """In place of `embed_voice`: the log-mel patches, a row each `hop` seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.card = Card(name="log_mel", task="patches", description="", features=PATCH_FRAMES * BANDS)

    @property
    def apart(self) -> int:
        """Frames from a patch to the next, of those that a patch has."""
        return min(self._hop, PATCH_FRAMES)

    def load(self, device: torch.device) -> None:
        """There is no network."""
        self.device = device
        self.embed = _flat

    def files(self) -> dict[str, str]:
        """None."""
        return {}


def _flat(patches: Tensor) -> Tensor:
    """(N, 1, 96, 64) -> (N, 6144)."""
    return patches.contiguous().flatten(1)
