"""A stage without a network, for fast tests of the command line: `tests.steady_stage:SteadyFace`."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avfer.affect_track import AffectTrack
from avfer.types import FaceTracks, FrameBatch

CLASSES = ("neutral", "happiness")
PIPELINE = """\
chunk: 0.2
stages:
  frames: {use: decode_video, from: span}
  affect: {use: "tests.steady_stage:SteadyFace", from: frames}
output: affect
"""


@dataclass
class SteadyFace:
    """Outputs one face in the same place on every frame; valence is the sine of the time."""

    pause: float = 0.0  # seconds to sleep for every chunk
    fails_after: float = -1.0  # seconds of the clip after which the stage raises; negative: never

    def __call__(self, frames: FrameBatch) -> AffectTrack:
        clock, n = frames.clock, len(frames.clock)
        time.sleep(self.pause)
        if n and 0 <= self.fails_after < clock.times[-1]:
            raise ValueError("the stage broke")
        happiness = (0.5 + 0.4 * np.sin(clock.times)).astype(np.float32)
        boxes = np.tile(np.float32([8, 6, 40, 44]), (n, 1))
        frame = np.arange(clock.first, clock.stop)
        points = np.zeros((n, 5, 2), np.float32)
        faces = FaceTracks(clock, frame, boxes, points, np.full(n, 0.9, np.float32), np.ones(n, np.int64))
        return AffectTrack(
            clock,
            faces,
            valence=np.sin(clock.times).astype(np.float32),
            arousal=np.cos(clock.times).astype(np.float32),
            expressions=np.stack([1 - happiness, happiness], 1),
            classes=CLASSES,
            action_units=np.full((n, 1), 0.25, np.float32),
            action_unit_names=("AU12",),
            has_voice=np.zeros(n, bool),
        )


def write_pipeline(folder: Path) -> Path:
    """Write the pipeline's YAML to a folder and return its path."""
    path = folder / "steady.yaml"
    path.write_text(PIPELINE)
    return path
