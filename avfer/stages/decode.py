"""Decode a clip: every picture with its true time, and the sound on the same axis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from avfer.errors import ConfigError, unknown
from avfer.media import probe
from avfer.readers import pyav
from avfer.readers.picture import Picture, draw_all
from avfer.readers.sound import End, Sound, sound
from avfer.types import AudioBatch, Clock, FrameBatch, Span

TICKS = 25  # Hz, the clock of a clip without pictures

READERS: dict[str, Callable[[Path], Iterator[Picture]]] = {"pyav": pyav.pictures}


@dataclass
class Watching:
    """Where the reading of the pictures stands."""

    pictures: Iterator[Picture] | None = None
    held: Picture | None = None  # decoded, not given yet
    size: tuple[int, int] = (0, 0)  # (height, width) of the first picture, and so of all
    given: int = 0
    ticks: int | None = None  # without pictures: how many there are


@dataclass
class DecodeVideo:
    """Every frame of a clip with its presentation time; without pictures, the ticks of a fixed clock."""

    reader: str = "pyav"

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ConfigError(unknown("reader", self.reader, READERS))

    def start(self) -> Watching:
        return Watching()

    def step(self, state: Watching, span: Span) -> tuple[Watching, FrameBatch]:
        """The frames before `span.stop` that were not given yet."""
        if state.pictures is None:
            self._open(state, span.clip.path)
        if state.ticks is not None:
            return state, _tick(state, span.stop)
        ready: list[Picture] = []
        while state.held is not None and state.held.time < span.stop:
            ready.append(state.held)
            state.held = next(state.pictures, None)
        clock = Clock(
            first=state.given,
            times=np.array([p.time for p in ready], np.float64),
            corrupt=np.array([p.corrupt for p in ready], bool),
            last=state.held is None,
        )
        state.given = clock.stop
        return state, FrameBatch(clock, draw_all(ready, state.size))

    def _open(self, state: Watching, path: Path) -> None:
        media = probe(path)
        state.pictures = READERS[self.reader](path) if media.video else iter(())
        state.held = next(state.pictures, None)
        if state.held is not None:
            state.size = state.held.size
        else:
            stop = next(part.clip_stop for part in sound(media, 16000) if isinstance(part, End))
            state.ticks = int(np.ceil(stop * TICKS))


def _tick(state: Watching, stop: float) -> FrameBatch:
    total = state.ticks or 0
    count = min(total, max(state.given, int(np.ceil(stop * TICKS)) if stop < total / TICKS else total))
    times = np.arange(state.given, count) / TICKS
    clock = Clock(state.given, times, np.zeros(len(times), bool), last=count == total, pictures=False)
    state.given = count
    return FrameBatch(clock, torch.zeros((len(times), 0, 0, 3), dtype=torch.uint8))


@dataclass
class Listening:
    """Where the reading of the sound stands."""

    source: Iterator[Sound | End] | None = None
    held: list[np.ndarray] = field(default_factory=lambda: [])  # resampled, not given yet
    start: float = 0.0  # seconds, of the first sample of all
    read: int = 0  # samples that came from the source
    given: int = 0
    end: End | None = None


@dataclass
class DecodeAudio:
    """The sound of a clip: mono, resampled, on the time axis of the pictures."""

    sample_rate: int = 16000

    def start(self) -> Listening:
        return Listening()

    def step(self, state: Listening, span: Span) -> tuple[Listening, AudioBatch]:
        """The samples before `span.stop` that were not given yet; all that is left once the source ends."""
        if state.source is None:
            state.source = sound(probe(span.clip.path), self.sample_rate)
        while state.end is None and state.start + state.read / self.sample_rate < span.stop:
            part = next(state.source)
            if isinstance(part, End):
                state.end = part
            else:
                state.held.append(part.samples)
                state.start, state.read = part.start, state.read + len(part.samples)
        samples = np.concatenate(state.held) if state.held else np.zeros(0, np.float32)
        wanted = len(samples)
        if state.end is None:
            wanted = min(wanted, max(0, int(np.ceil((span.stop - state.start) * self.sample_rate)) - state.given))
        batch = AudioBatch(
            samples=torch.from_numpy(samples[:wanted].copy())[None],
            sample_rate=self.sample_rate,
            start=state.start + state.given / self.sample_rate,
            first=state.given,
            last=state.end is not None,
            clip_stop=state.end.clip_stop if state.end else None,
        )
        state.held = [samples[wanted:]]
        state.given += wanted
        return state, batch
