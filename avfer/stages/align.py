"""align_faces: cut each face out, turned upright and scaled by its five landmarks."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.signal.similarity import ARCFACE, inverse, similarity, warp
from avfer.stages.frame_window import FrameWindow
from avfer.types import FaceCrops, FaceTracks, FrameBatch

SIZE = 112  # px, where no backbone says otherwise


@dataclass
class AlignFaces:
    """Cut faces out by the similarity that brings their landmarks to a template.

    `size` (px) and the template come from the card of the backbone that reads the crops, unless given.
    """

    size: int | None = None
    template: Literal["card", "arcface"] = "card"
    points: tuple[tuple[float, float], ...] = ARCFACE

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 8:
            raise ConfigError(f"size: crops have 8 px or more, not {self.size}")

    def adapt(self, readers: list[Any]) -> "AlignFaces":
        """Fitted to the backbone that reads the crops."""
        cards = [reader.card for reader in readers if isinstance(getattr(reader, "card", None), Card)]
        if not cards:
            return self
        points = tuple(cards[0].template) if self.template == "card" and cards[0].template else self.points
        return replace(self, size=self.size or cards[0].size, points=points)

    def start(self) -> FrameWindow:
        return FrameWindow()

    def step(self, state: FrameWindow, frames: FrameBatch, tracks: FaceTracks) -> tuple[FrameWindow, FaceCrops]:
        """Crops of the faces of `tracks`; frames that it has not completed are kept."""
        window, side = state.add(frames), self.size or SIZE
        target = np.array(self.points) * side
        ways = inverse(similarity(tracks.landmarks, target))
        crops = [
            warp(window.picture(frame), way, side) for frame, way in zip(tracks.frames.tolist(), ways, strict=True)
        ]
        pixels = torch.stack(crops) if crops else torch.zeros((0, side, side, 3), dtype=torch.uint8)
        return window.since(tracks.clock.stop), FaceCrops(tracks, pixels)
