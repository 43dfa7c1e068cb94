"""decode_video and decode_audio: every frame of a clip with its true time, and the sound on the same time axis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from avfer.container import audio_stream, open_container
from avfer.errors import ConfigError, MissingExtra, unknown
from avfer.media import probe
from avfer.readers import indexed, pyav
from avfer.readers.pyav import Picture, draw_all
from avfer.readers.sound import End, Sound, read_sound, sound_duration
from avfer.types import AudioBatch, Clock, FrameBatch, Span

TICK_RATE = 25  # Hz, clock of a clip without video
READERS: dict[str, Callable[[Path], Iterator[Picture]]] = {
    "pyav": pyav.pictures,
    "decord": indexed.decord,
    "torchcodec": indexed.torchcodec,
}


@dataclass
class VideoState:
    """Progress of decoding one clip's frames. It contains the open reader, so each state can be used once only."""

    pictures: Iterator[Picture] | None = None  # None until the clip is opened
    next: Picture | None = None  # decoded but not output yet; None at the end of the clip
    size: tuple[int, int] = (0, 0)  # (height, width) px of the first frame; all others are scaled to it
    ticks: int | None = None  # number of instants of a clip without video
    count: int = 0  # frames or ticks that were output


@dataclass
class DecodeVideo:
    """Output every frame of a clip with its presentation time; without video, the ticks of a fixed clock.

    Times are seconds after the first frame. A frame whose time goes backwards keeps its place and its time. Frames
    are upright; those of another size than the first are scaled to it. A frame is marked `corrupt` if the decoder
    flags it or lost frames before it. A clip without video has ticks at 25 Hz from its first sample to its end.

    The reader is `pyav`, which reads every format, or `decord` or `torchcodec`, if they are installed.
    """

    reader: str = "pyav"

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ConfigError(unknown("reader", self.reader, READERS))
        if self.reader != "pyav" and find_spec(self.reader) is None:
            raise MissingExtra(f"reader '{self.reader}'", self.reader, self.reader)

    def start(self) -> VideoState:
        """Return the state of a clip that is not opened yet."""
        return VideoState()

    def step(self, state: VideoState, span: Span) -> tuple[VideoState, FrameBatch]:
        """Return the frames before `span.stop` that were not output yet, up to the first one at or after it.

        Raises MediaError if the clip cannot be read.
        """
        if state.pictures is None:
            self._open(state, span.clip.path)
        if state.ticks is not None:
            return state, _tick(state, state.ticks, span.stop)
        ready: list[Picture] = []
        while state.next is not None and state.next.time < span.stop:
            ready.append(state.next)
            state.next = next(state.pictures or iter(()), None)
        clock = Clock(
            first=state.count,
            times=np.array([picture.time for picture in ready], np.float64),
            corrupt=np.array([picture.corrupt for picture in ready], bool),
            last=state.next is None,
        )
        state.count = clock.stop
        return state, FrameBatch(clock, draw_all(ready, state.size))

    def _open(self, state: VideoState, path: Path) -> None:
        """Decode the first frame, or count the ticks of a clip without video."""
        if probe(path).video is not None:
            state.pictures = READERS[self.reader](path)
            state.next = next(state.pictures)
            state.size = state.next.size
            return
        state.pictures = iter(())
        with open_container(path) as container:
            audio = audio_stream(container)
            state.ticks = max(1, _ticks_before(sound_duration(container, audio) if audio else 0.0))


def _tick(state: VideoState, total: int, stop: float) -> FrameBatch:
    """Return the ticks before `stop` seconds that were not output yet, as frames without pixels."""
    after = max(state.count, min(total, _ticks_before(stop)))
    times = np.arange(state.count, after) / TICK_RATE
    clock = Clock(state.count, times, np.zeros(len(times), bool), last=after == total, pictures=False)
    state.count = after
    return FrameBatch(clock, torch.zeros((len(times), 0, 0, 3), dtype=torch.uint8))


def _ticks_before(stop: float) -> int:
    """Return the number of ticks k / 25 in [0, stop) seconds."""
    near = max(0, int(stop * TICK_RATE) - 1)
    return near + sum(k / TICK_RATE < stop for k in range(near, near + 3))


@dataclass
class AudioState:
    """Progress of decoding one clip's sound. It contains the open reader, so each state can be used once only."""

    source: Iterator[Sound | End] | None = None  # None until the clip is opened
    waiting: list[np.ndarray] = field(default_factory=list[np.ndarray])  # resampled samples that were not output yet
    begin: float = 0.0  # seconds, time of the first sample of all
    count: int = 0  # samples that were output
    read: int = 0  # samples that were read
    end: End | None = None


@dataclass
class DecodeAudio:
    """Output the sound of a clip: the mean of its channels, resampled, on the time axis of the frames.

    Sound may begin before the first frame (at a negative time) or after it. Gaps in its time stamps become silence,
    so a sample's index determines its time. A clip without sound outputs no sample and `last` at once.
    """

    sample_rate: int = 16000  # Hz

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ConfigError(f"sample_rate: must be > 0 Hz, got {self.sample_rate}")

    def start(self) -> AudioState:
        """Return the state of a clip that is not opened yet."""
        return AudioState()

    def step(self, state: AudioState, span: Span) -> tuple[AudioState, AudioBatch]:
        """Return the samples before `span.stop` that were not output yet; all remaining ones after the sound's end.

        Raises MediaError if the clip cannot be read.
        """
        if state.source is None:
            state.source = read_sound(probe(span.clip.sound or span.clip.path), self.sample_rate)
        self._read(state, state.source, span.stop)
        samples = np.concatenate(state.waiting) if state.waiting else np.zeros(0, np.float32)
        ready = len(samples) if state.end else int(np.ceil((span.stop - state.begin) * self.sample_rate)) - state.count
        ready = max(0, min(ready, len(samples)))
        batch = AudioBatch(
            samples=torch.from_numpy(samples[:ready].copy())[None],
            sample_rate=self.sample_rate,
            start=state.begin + state.count / self.sample_rate,
            first=state.count,
            last=state.end is not None,
            clip_stop=state.end.clip_stop if state.end else None,
        )
        state.waiting, state.count = [samples[ready:]], state.count + ready
        return state, batch

    def _read(self, state: AudioState, source: Iterator[Sound | End], stop: float) -> None:
        """Read until the samples before `stop` seconds are there or the sound ends."""
        while state.end is None and state.begin + state.read / self.sample_rate < stop:
            part = next(source)
            if isinstance(part, End):
                state.end = part
            else:
                state.waiting.append(part.samples)
                state.begin = part.start
                state.read += len(part.samples)
