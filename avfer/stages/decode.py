"""Decode a clip: every picture with its true time, and the sound on the same axis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from avfer.errors import ConfigError, MissingExtra, unknown
from avfer.media import opened, probe, sound_stream
from avfer.readers import indexed, pyav
from avfer.readers.picture import Picture, draw_all
from avfer.readers.sound import End, Sound, sound, sound_stop
from avfer.types import AudioBatch, Clock, FrameBatch, Span

TICKS = 25  # Hz, the clock of a clip without pictures
READERS: dict[str, Callable[[Path], Iterator[Picture]]] = {
    "pyav": pyav.pictures,
    "decord": indexed.decord,
    "torchcodec": indexed.torchcodec,
}


@dataclass
class Watching:
    """Where the reading of the pictures stands. The reader moves on with it: a state serves once."""

    pictures: Iterator[Picture] | None = None
    held: Picture | None = None  # decoded, not given yet: without one the clip is at its end
    size: tuple[int, int] = (0, 0)  # (height, width) px of the first picture, and so of all
    ticks: int | None = None  # without pictures: how many instants there are
    given: int = 0


@dataclass
class DecodeVideo:
    """Every frame of a clip with its presentation time; without pictures, the ticks of a fixed clock.

    Times are seconds after the first frame. A frame whose time goes backwards keeps its place and its time. Frames
    are shown upright; one of another size than the first is scaled to it. `corrupt` is set where the decoder flags
    a frame or lost the ones before it. Sound alone ticks at 25 Hz from its first sample to its end.
    """

    reader: str = "pyav"

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ConfigError(unknown("reader", self.reader, READERS))
        if self.reader != "pyav" and find_spec(self.reader) is None:
            raise MissingExtra(f"reader '{self.reader}'", self.reader, self.reader)

    def start(self) -> Watching:
        return Watching()

    def step(self, state: Watching, span: Span) -> tuple[Watching, FrameBatch]:
        """The frames before `span.stop` that were not given yet, up to the first one at or after it."""
        if state.pictures is None:
            self._open(state, span.clip.path)
        if state.ticks is not None:
            return state, _tick(state, state.ticks, span.stop)
        ready: list[Picture] = []
        while state.held is not None and state.held.time < span.stop:
            ready.append(state.held)
            state.held = next(state.pictures or iter(()), None)
        clock = Clock(
            first=state.given,
            times=np.array([picture.time for picture in ready], np.float64),
            corrupt=np.array([picture.corrupt for picture in ready], bool),
            last=state.held is None,
        )
        state.given = clock.stop
        return state, FrameBatch(clock, draw_all(ready, state.size))

    def _open(self, state: Watching, path: Path) -> None:
        if probe(path).video is not None:
            state.pictures = READERS[self.reader](path)
            state.held = next(state.pictures)
            state.size = state.held.size
            return
        state.pictures = iter(())
        with opened(path) as container:
            voice = sound_stream(container)
            state.ticks = max(1, _ticks_before(sound_stop(container, voice) if voice else 0.0))


def _tick(state: Watching, total: int, stop: float) -> FrameBatch:
    after = max(state.given, min(total, _ticks_before(stop)))
    times = np.arange(state.given, after) / TICKS
    clock = Clock(state.given, times, np.zeros(len(times), bool), last=after == total, pictures=False)
    state.given = after
    return FrameBatch(clock, torch.zeros((len(times), 0, 0, 3), dtype=torch.uint8))


def _ticks_before(stop: float) -> int:
    """How many ticks k / 25 lie in [0, stop)."""
    near = max(0, int(stop * TICKS) - 1)
    return near + sum(k / TICKS < stop for k in range(near, near + 3))


@dataclass
class Listening:
    """Where the reading of the sound stands. The reader moves on with it: a state serves once."""

    source: Iterator[Sound | End] | None = None
    held: list[np.ndarray] = field(default_factory=list[np.ndarray])  # resampled, not given yet
    begin: float = 0.0  # seconds, of the first sample of all
    given: int = 0
    read: int = 0
    end: End | None = None


@dataclass
class DecodeAudio:
    """The sound of a clip: mean of its channels, resampled, on the time axis of the pictures.

    Sound may begin before the first frame (at a negative time) or after it. Holes in its time stamps are silence,
    so the index of a sample tells its time throughout. Without a sound stream: no sample, and `last` at once.
    """

    sample_rate: int = 16000

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ConfigError(f"sample_rate must be above 0 Hz, not {self.sample_rate}")

    def start(self) -> Listening:
        return Listening()

    def step(self, state: Listening, span: Span) -> tuple[Listening, AudioBatch]:
        """The samples before `span.stop` that were not given yet; all there are left once the source ends."""
        if state.source is None:
            state.source = sound(probe(span.clip.sound or span.clip.path), self.sample_rate)
        self._read(state, state.source, span.stop)
        samples = np.concatenate(state.held) if state.held else np.zeros(0, np.float32)
        ready = len(samples) if state.end else int(np.ceil((span.stop - state.begin) * self.sample_rate)) - state.given
        ready = max(0, min(ready, len(samples)))
        batch = AudioBatch(
            samples=torch.from_numpy(samples[:ready].copy())[None],
            sample_rate=self.sample_rate,
            start=state.begin + state.given / self.sample_rate,
            first=state.given,
            last=state.end is not None,
            clip_stop=state.end.clip_stop if state.end else None,
        )
        state.held, state.given = [samples[ready:]], state.given + ready
        return state, batch

    def _read(self, state: Listening, source: Iterator[Sound | End], stop: float) -> None:
        while state.end is None and state.begin + state.read / self.sample_rate < stop:
            part = next(source)
            if isinstance(part, End):
                state.end = part
            else:
                state.held.append(part.samples)
                state.begin = part.start
                state.read += len(part.samples)
