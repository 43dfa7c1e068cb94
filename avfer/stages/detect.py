"""detect_faces: the faces of the key frames."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from avfer.catalog import find
from avfer.errors import ConfigError
from avfer.types import FaceDetections, FrameBatch


class Detector(Protocol):
    """Finds faces in one picture."""

    def search(self, picture: torch.Tensor, min_size: float) -> tuple[torch.Tensor, torch.Tensor]:
        """picture: (H, W, 3) uint8 RGB -> boxes (N, 4) xyxy px, scores (N,)."""
        ...


@dataclass
class DetectFaces:
    """Search every `every`-th frame of the clip for faces; `track_faces` fills the frames between.

    Faces from about `min_size` pixels on are looked for; a score below `min_score` is left out. Key frames go by
    their number in the clip, so how the clip is cut into chunks does not matter.
    """

    detector: str = "mtcnn"
    min_size: float = 40.0
    min_score: float = 0.8
    every: int = 10
    _network: Detector | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        find("detector", self.detector)
        if self.min_size < 12:
            raise ConfigError(f"min_size: faces below 12 px cannot be found, not {self.min_size}")
        if self.every < 1:
            raise ConfigError(f"every: should be a number of frames from 1, not {self.every}")

    def load(self, device: torch.device) -> None:
        self._network = find("detector", self.detector)().to(device)

    def __call__(self, frames: FrameBatch) -> FaceDetections:
        clock = frames.clock
        keys = [frame for frame in range(clock.first, clock.stop) if frame % self.every == 0 and clock.pictures]
        found = [self.search(frames.pixels[frame - clock.first]) for frame in keys]
        return FaceDetections(
            clock,
            key_frames=np.array(keys, np.int64),
            frames=np.repeat(np.array(keys, np.int64), [len(boxes) for boxes, _ in found]),
            boxes=np.concatenate([boxes for boxes, _ in found] or [np.zeros((0, 4), np.float32)]),
            scores=np.concatenate([scores for _, scores in found] or [np.zeros(0, np.float32)]),
            min_size=self.min_size,
            min_score=self.min_score,
        )

    def search(self, picture: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """picture: (H, W, 3) uint8 RGB -> boxes (N, 4) xyxy px, scores (N,)."""
        assert self._network is not None, "load() comes first"
        boxes, scores = self._network.search(picture, self.min_size)
        keep = scores >= self.min_score
        return boxes[keep].numpy(), scores[keep].numpy()
