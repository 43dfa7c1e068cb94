"""A pipeline that harms its worker in the way the name of a clip says: `tests.labelling.rough_stage:RoughFace`."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from avfer.affect_track import AffectTrack
from avfer.types import FrameBatch, Span
from tests.steady_stage import SteadyFace

PAUSE = "AVFER_TEST_PAUSE"  # variable with a pause (s) that the hash of the pipeline does not know
PIPELINE = """\
chunk: 0.2
stages:
  frames: {use: decode_video, from: span}
  affect: {use: "tests.labelling.rough_stage:RoughFace", from: [span, frames]}
output: affect
"""


@dataclass
class RoughFace:
    """SteadyFace, except for clips called crash, raise, hang, greedy, or frail (which crash the first time)."""

    pause: float = 0.0  # seconds to wait for every chunk

    def __call__(self, span: Span, frames: FrameBatch) -> AffectTrack:
        path = span.clip.path
        if path.name.startswith("crash"):
            ctypes.string_at(0)
        if path.name.startswith("raise"):
            raise ValueError("the stage broke")
        if path.name.startswith("hang"):
            time.sleep(3600)
        if path.name.startswith("greedy"):
            _eat()
        if path.name.startswith("frail") and not path.with_suffix(".tried").exists():
            path.with_suffix(".tried").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return SteadyFace(self.pause or float(os.environ.get(PAUSE, "0")))(frames)


def _eat() -> None:
    """Take 2 GB, slowly enough for the limit to act; more could exhaust the machine if no limit is set."""
    held: list[bytes] = []
    while len(held) < 40:
        held.append(b"\1" * 50_000_000)
        time.sleep(0.02)
    time.sleep(3600)


def write_rough_pipeline(folder: Path) -> Path:
    """Write the YAML of the pipeline into a folder and return its path."""
    path = folder / "rough.yaml"
    path.write_text(PIPELINE)
    return path
