"""decode_video and decode_audio: frames of a clip with their true times, and the sound on the same time axis."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from avfer.container import audio_stream, open_container
from avfer.errors import ConfigError, MediaError, MissingExtra, unknown
from avfer.media import probe
from avfer.option_types import Count, Number, check_options
from avfer.picture_files import is_sequence
from avfer.readers import images, indexed, seek
from avfer.readers.arrays import array_pictures, array_sound
from avfer.readers.pyav import Picture, draw_all
from avfer.readers.sound import Channel, End, Skip, Sound, read_sound, sound_duration
from avfer.signal.ticks import ticks_outside
from avfer.signal.times import parse_seconds
from avfer.types import AudioBatch, Clip, Clock, FrameBatch, Gaps, Span

Rate = Annotated[Number, Field(gt=0, le=1000)]  # Hz
Time = Number | str  # seconds, or hh:mm:ss
TICK_RATE = 25  # Hz, clock of a clip without video
READERS: dict[str, Callable[[Path, float], Iterator[Picture]]] = {  # file, start (s) -> frames
    "pyav": seek.pictures,
    "decord": indexed.decord,
    "torchcodec": indexed.torchcodec,
}


@dataclass(frozen=True)
class _Ticks:
    """The fixed clock of a clip without video."""

    first: int  # number of the first tick to output
    stop: int  # number after the last one
    gaps: Gaps  # without ticks


@dataclass
class VideoState:
    """Progress of decoding one clip's frames. It contains the open reader, so each state can be used once only."""

    pictures: Iterator[Picture] | None = None  # None until the clip is opened
    next: Picture | None = None  # decoded but not output yet; None at the end of the clip
    size: tuple[int, int] = (0, 0)  # (height, width) px of the first frame; all others are scaled to it
    ticks: _Ticks | None = None  # of a clip without video
    count: int = 0  # frames or ticks that were output


@dataclass
class DecodeVideo:
    """Output the frames of a clip with their presentation times; without video, the ticks of a fixed clock.

    Times are seconds after the first frame of the file. A frame whose time goes backwards keeps its place and its
    time. Frames are upright; those of another size than the first are scaled to it. A frame is marked `corrupt` if the
    decoder flags it or lost frames before it. A clip without video has ticks at 25 Hz from its first sample to its end,
    apart from gaps of more than a minute.

    Every frame is output unless an option leaves it out: `every` keeps the frames with the numbers 0, `every`,
    2 * `every`, ...; `fps` keeps the first frame of each 1 / `fps` seconds; `start_at` and `stop_at` keep the frames
    between two times. The frames that are kept have the numbers and times that they have in the whole file.

    The reader is `pyav`, which reads every format, or `decord` or `torchcodec`, if they are installed. A folder of
    pictures, or a pattern such as `frames/%04d.png`, is a clip with `sequence_fps` pictures a second.
    """

    reader: str = "pyav"
    every: Annotated[Count, Field(ge=1, le=100_000)] = 1  # frames
    fps: Rate | None = None  # Hz, the highest rate of frames that are kept
    start_at: Time = 0.0  # seconds, or hh:mm:ss
    stop_at: Time | None = None  # seconds or hh:mm:ss, excluded; None: the end of the clip
    sequence_fps: Rate = 25.0  # Hz, of a clip that is a sequence of pictures
    _part: tuple[float, float] = field(init=False, repr=False)  # start_at and stop_at in seconds

    def __post_init__(self) -> None:
        check_options(self)
        if self.reader not in READERS:
            raise ConfigError(unknown("reader", self.reader, READERS))
        if self.reader != "pyav" and find_spec(self.reader) is None:
            raise MissingExtra(f"reader '{self.reader}'", self.reader, self.reader)
        if self.fps is not None and self.every > 1:
            raise ConfigError("every and fps: use one of them, not both")
        self._part = parse_part(self.start_at, self.stop_at)

    def start(self) -> VideoState:
        """Return the state of a clip that is not opened yet."""
        return VideoState()

    def step(self, state: VideoState, span: Span) -> tuple[VideoState, FrameBatch]:
        """Return the frames before `span.stop` that were not output yet, up to the first one at or after it.

        Raises MediaError if the clip cannot be read.
        """
        if state.pictures is None:
            self._open(state, span.clip)
        if state.ticks is not None:
            return state, _tick(state, state.ticks, span.stop)
        height, width = state.size
        most = math.inf if span.max_bytes is None else max(1, span.max_bytes // (height * width * 3))
        ready: list[Picture] = []
        while state.next is not None and state.next.time < span.stop and len(ready) < most:
            ready.append(state.next)
            state.next = next(state.pictures or iter(()), None)
        clock = Clock(
            first=state.count,
            times=np.array([picture.time for picture in ready], np.float64),
            corrupt=np.array([picture.corrupt for picture in ready], bool),
            last=state.next is None,
            numbers=np.array([picture.number for picture in ready], np.int64) if self._leaves_out_frames else None,
        )
        state.count = clock.stop
        return state, FrameBatch(clock, draw_all(ready, state.size))

    def next_time(self, state: VideoState) -> float:
        """Return the time of the next frame or tick in seconds, infinity at the end of the clip."""
        if state.ticks is not None:
            return _next_tick(state.ticks)
        return math.inf if state.next is None else state.next.time

    @property
    def _leaves_out_frames(self) -> bool:
        return self.every > 1 or self.fps is not None or self._part != (0.0, math.inf)

    def _open(self, state: VideoState, clip: Clip) -> None:
        """Decode the first frame, or count the ticks of a clip without video."""
        found = self._pictures(clip)
        if found is None:
            state.pictures, state.ticks = iter(()), self._ticks(clip.path)
            return
        state.pictures = self._kept(found)
        state.next = next(state.pictures, None)
        if state.next is None:
            raise MediaError(f"'{clip.path}' has no frame between {self._part[0]:g} and {self._part[1]:g} s")
        state.size = state.next.size

    def _pictures(self, clip: Clip) -> Iterator[Picture] | None:
        """Return the frames of a clip from `start_at` on, None if it has no video."""
        if clip.arrays is not None:
            return array_pictures(clip.arrays)
        if is_sequence(clip.path):
            return images.pictures(clip.path, self.sequence_fps)
        if probe(clip.path).video is None:
            return None
        return READERS[self.reader](clip.path, self._part[0])

    def _kept(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """Yield the frames that the options keep."""
        start, stop = self._part
        cell = -1  # of 1 / fps seconds: that of the last frame that was kept
        for picture in pictures:
            if picture.time >= stop and self._leaves_out_frames:
                return
            if picture.time < start or picture.number % self.every:
                continue
            if self.fps is not None:
                now = math.floor(picture.time * self.fps + 1e-6)
                if now <= cell:
                    continue
                cell = now
            yield picture

    def _ticks(self, path: Path) -> _Ticks:
        """Return the ticks of a clip without video. Raises MediaError if none lies between `start_at` and `stop_at`."""
        with open_container(path) as container:
            audio = audio_stream(container)
            seconds, gaps = sound_duration(container, audio) if audio else (0.0, ())
        start, stop = self._part
        total = max(1, _ticks_before(seconds))
        ticks = _Ticks(_ticks_before(start), min(total, _ticks_before(stop)) if math.isfinite(stop) else total, gaps)
        if ticks.first >= ticks.stop:
            raise MediaError(f"'{path}' has no sound between {start:g} and {stop:g} s; it ends at {seconds:.2f} s")
        return ticks


def parse_part(start: float | str, stop: float | str | None) -> tuple[float, float]:
    """Return the options `start_at` and `stop_at` in seconds. Raises ConfigError if they are no times in this order."""
    first = parse_seconds(start, "start_at")
    last = math.inf if stop is None else parse_seconds(stop, "stop_at")
    if first >= last:
        raise ConfigError(f"stop_at: must be later than start_at ({first:g} s), got {last:g} s")
    return first, last


def _tick(state: VideoState, ticks: _Ticks, stop: float) -> FrameBatch:
    """Return the ticks before `stop` seconds that were not output yet, as frames without pixels."""
    after = max(ticks.first, min(ticks.stop, _ticks_before(stop)))
    times = ticks_outside(ticks.first, after, ticks.gaps, TICK_RATE) / TICK_RATE
    last = after == ticks.stop
    clock = Clock(state.count, times, np.zeros(len(times), bool), last=last, pictures=False)
    state.ticks = replace(ticks, first=after)
    state.count = clock.stop
    return FrameBatch(clock, torch.zeros((len(times), 0, 0, 3), dtype=torch.uint8))


def _next_tick(ticks: _Ticks) -> float:
    """Return the time of the next tick outside the gaps in seconds, infinity after the last one."""
    if ticks.first >= ticks.stop:
        return math.inf
    inside = [stop for start, stop in ticks.gaps if start < ticks.first / TICK_RATE < stop]
    return max([ticks.first / TICK_RATE, *inside])


def _ticks_before(stop: float) -> int:
    """Return the number of ticks k / 25 in [0, stop) seconds."""
    near = max(0, int(stop * TICK_RATE) - 1)
    return near + sum(k / TICK_RATE < stop for k in range(near, near + 3))


@dataclass
class AudioState:
    """Progress of decoding one clip's sound. It contains the open reader, so each state can be used once only."""

    source: Iterator[Sound | Skip | End] | None = None  # None until the clip is opened
    waiting: list[np.ndarray] = field(default_factory=list[np.ndarray])  # resampled samples that were not output yet
    skips: list[tuple[int, Skip]] = field(default_factory=list[tuple[int, Skip]])  # before these samples, not reached
    begin: float = 0.0  # seconds, time of the first sample of all
    skipped: int = 0  # seconds of silence that were left out before sample `count`
    gaps: Gaps = ()  # those of this silence in which the clip has no frames, not output yet
    count: int = 0  # samples that were output or lie before the part that is wanted
    first: int = 0  # index of the first sample that is wanted
    read: int = 0  # samples that were read
    end: End | None = None

    def time(self, index: int, rate: int) -> float:
        """Return the time of a sample between `count` and the next skip in seconds."""
        return self.begin + self.skipped + index / rate

    def pass_skips(self) -> None:
        """Advance over silence that was left out directly before sample `count`."""
        while self.skips and self.skips[0][0] <= self.count:
            _, skip = self.skips.pop(0)
            self.skipped += skip.seconds
            self.gaps += skip.gaps

    def take(self, count: int) -> np.ndarray:
        """Remove and return the next samples: (count,) float32."""
        samples = np.concatenate(self.waiting) if self.waiting else np.zeros(0, np.float32)
        self.waiting, self.count = [samples[count:]], self.count + count
        return samples[:count]


@dataclass
class DecodeAudio:
    """Output the sound of a clip: one channel or the mean of all, resampled, on the time axis of the frames.

    Sound may begin before the first frame (at a negative time) or after it. Gaps in its time stamps become silence,
    of which the inner part is left out if a gap is longer than a minute. A clip without sound outputs no sample and
    `last` at once. `start_at` and `stop_at` cut the samples between two times out of the resampled sound.
    """

    sample_rate: Annotated[Count, Field(ge=1000, le=384_000)] = 16000  # Hz
    channel: Channel = "mix"  # mean of all channels; left, right, or the number of a channel from 1
    start_at: Time = 0.0  # seconds, or hh:mm:ss; 0: sound before the first frame is kept
    stop_at: Time | None = None  # seconds or hh:mm:ss, excluded; None: the end of the clip
    _part: tuple[float, float] = field(init=False, repr=False)  # start_at and stop_at in seconds

    def __post_init__(self) -> None:
        check_options(self)
        self._part = parse_part(self.start_at, self.stop_at)

    def start(self) -> AudioState:
        """Return the state of a clip that is not opened yet."""
        return AudioState()

    def step(self, state: AudioState, span: Span) -> tuple[AudioState, AudioBatch]:
        """Return the samples before `span.stop` that were not output yet, up to silence that was left out.

        Raises MediaError if the clip cannot be read.
        """
        if state.source is None:
            state.source = self._open(span.clip)
        start, stop = self._part
        self._read(state, state.source, min(span.stop, stop))
        state.pass_skips()
        limit = min(state.skips[0][0], state.read) if state.skips else state.read
        ready = limit - state.count if state.end else self._samples_before(state, span.stop)
        if stop < math.inf:
            ready = min(ready, self._samples_before(state, stop))
        ready = max(0, min(ready, limit - state.count))
        first, time = state.count, state.time(state.count, self.sample_rate)
        samples = state.take(ready)
        over = stop < math.inf and state.time(state.count, self.sample_rate) >= stop
        last = over or (state.end is not None and state.count == state.read)
        clip_stop = stop if over else state.end.clip_stop if state.end else None
        batch = AudioBatch(
            samples=torch.from_numpy(samples.copy())[None],
            sample_rate=self.sample_rate,
            start=time,
            first=first - state.first,
            last=last,
            clip_stop=None if clip_stop is None or not last else min(clip_stop, stop),
            gaps=state.gaps + (state.end.gaps if last and state.end else ()),
            clip_start=start,
        )
        state.gaps = ()
        return state, batch

    def next_time(self, state: AudioState) -> float:
        """Return the time of the next sample in seconds, infinity at the end of the sound."""
        state.pass_skips()
        if state.end is not None and state.count == state.read:
            return math.inf
        time = state.time(state.count, self.sample_rate)
        return math.inf if time >= self._part[1] else max(time, self._part[0])

    def _open(self, clip: Clip) -> Iterator[Sound | Skip | End]:
        if clip.arrays is not None and clip.sound is None:
            return array_sound(clip.arrays, self.sample_rate, self.channel)
        if clip.sound is None and is_sequence(clip.path):
            return iter([End(0.0)])
        return read_sound(probe(clip.sound or clip.path), self.sample_rate, self.channel)

    def _samples_before(self, state: AudioState, stop: float) -> int:
        """Return the number of samples from `count` to a time in seconds, if no silence is left out between."""
        return int(np.ceil((stop - state.begin - state.skipped) * self.sample_rate)) - state.count

    def _read(self, state: AudioState, source: Iterator[Sound | Skip | End], stop: float) -> None:
        """Read until the samples before `stop` seconds are there or the sound ends; drop those before `start_at`."""
        while state.end is None and self._read_until(state) < stop:
            part = next(source)
            if isinstance(part, End):
                state.end = part
            elif isinstance(part, Skip):
                state.skips.append((math.ceil(part.at * self.sample_rate), part))
            else:
                state.waiting.append(part.samples)
                state.begin = part.start
                state.read += len(part.samples)
            if self._part[0] > 0:
                self._drop_start(state)

    def _read_until(self, state: AudioState) -> float:
        """Return the time in seconds up to which the sound was read."""
        ahead = sum(skip.seconds for first, skip in state.skips if first <= state.read)  # the resampler is late
        return state.begin + state.skipped + ahead + state.read / self.sample_rate

    def _drop_start(self, state: AudioState) -> None:
        """Drop the samples before `start_at`."""
        while True:
            state.pass_skips()
            limit = min(state.skips[0][0], state.read) if state.skips else state.read
            count = min(limit - state.count, self._samples_before(state, self._part[0]))
            if count <= 0:
                return
            state.take(count)
            state.first, state.gaps = state.count, ()
