"""Small stages for pipelines in tests; a YAML names them as `tests.toy_stages:Name`."""

from dataclasses import dataclass

import numpy as np
import torch

from avfer.affect_track import AffectTrack
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.types import AudioBatch, Clock, FaceFeatures, FaceTracks, FrameBatch, Span


@dataclass
class CountFrames:
    """A source of `count` black frames at 10 Hz; it raises at frame `fails_at` unless that is negative."""

    count: int = 30
    fails_at: int = -1

    def start(self) -> int:
        return 0

    def step(self, state: int, span: Span) -> tuple[int, FrameBatch]:
        stop = min(self.count, max(state, int(np.ceil(span.stop * 10 - 1e-9))))
        if state <= self.fails_at < stop:
            raise ValueError("the disk is on fire")
        times = np.arange(state, stop) / 10
        clock = Clock(state, times, np.zeros(len(times), bool), last=stop == self.count)
        return stop, FrameBatch(clock, torch.zeros((stop - state, 4, 4, 3), dtype=torch.uint8))


@dataclass
class Hum:
    """A source of silence."""

    def __call__(self, span: Span) -> AudioBatch:
        return AudioBatch(torch.zeros(1, 0), 16000, span.start, 0, last=True)


@dataclass
class TimeAsValence:
    """Valence is the time in seconds multiplied by `gain`."""

    gain: float = 0.1

    def __post_init__(self) -> None:
        if self.gain < 0:
            raise ConfigError(f"gain: must be >= 0, got {self.gain}")

    def __call__(self, frames: FrameBatch) -> AffectTrack:
        clock, count = frames.clock, len(frames.clock)
        rows = FaceTracks(
            clock,
            frames=np.arange(clock.first, clock.stop),
            boxes=np.zeros((count, 4), np.float32),
            landmarks=np.zeros((count, 5, 2), np.float32),
            scores=np.ones(count, np.float32),
            track_ids=np.zeros(count, np.int64),
        )
        valence = (clock.times * self.gain).astype(np.float32)
        nothing, no = np.zeros((count, 0), np.float32), np.zeros(count, bool)
        return AffectTrack(clock, rows, valence, valence, nothing, (), nothing, (), no)


@dataclass
class FailsLate(TimeAsValence):
    """Raises at frame 20."""

    def __call__(self, frames: FrameBatch) -> AffectTrack:
        if frames.clock.stop > 20:
            raise ValueError("the disk is on fire")
        return super().__call__(frames)


@dataclass
class RowsFailLate:
    """Returns its rows, and raises at frame 20."""

    def __call__(self, rows: AffectTrack) -> AffectTrack:
        if rows.clock.stop > 20:
            raise ValueError("the disk is on fire")
        return rows


@dataclass
class NeedsFeatures:
    """Takes features, which no other stage of this file outputs."""

    def __call__(self, features: FaceFeatures) -> AffectTrack:
        raise AssertionError


@dataclass
class Wide:
    """Returns its frames and declares features of a given width."""

    width: int = 8

    @property
    def feature_cards(self) -> dict[str, Card]:
        return {"face": Card(name="wide", task="", description="", features=self.width)}

    def __call__(self, frames: FrameBatch) -> FrameBatch:
        return frames


@dataclass
class NeedsEight(TimeAsValence):
    """Refuses features of any width but 8."""

    def for_features(self, cards: dict[str, Card]) -> "NeedsEight":
        if cards["face"].width("face") != 8:
            raise ConfigError(f"reads 8 features, but gets {cards['face'].features}")
        return self

    def __call__(self, frames: FrameBatch) -> AffectTrack:
        return super().__call__(frames)


@dataclass
class ForgetsToReturn:
    """Declares its rows, and returns None."""

    def __call__(self, rows: AffectTrack) -> AffectTrack:
        rows.to_table()  # pyright: ignore[reportReturnType]


@dataclass
class NamesItsState:
    """Calls its state and its input by names of its own."""

    def start(self) -> int:
        return 0

    def step(self, seen: int, rows: AffectTrack) -> tuple[int, AffectTrack]:
        return seen + len(rows), rows


@dataclass
class AnnotatesHalf:
    """Annotates one of its two inputs."""

    def __call__(self, frames: FrameBatch, rows) -> AffectTrack:
        return rows


@dataclass
class Undocumented:
    gain: float = 0.1  # of nothing

    def __call__(self, frames: FrameBatch) -> AffectTrack:
        raise AssertionError


class NoStage:
    """A class that is no dataclass."""
