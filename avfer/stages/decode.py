"""decode_video: the frames of a clip with their true times."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from avfer.container import audio_stream, open_container
from avfer.errors import AvferWarning, ConfigError, MediaError, MissingExtra, unknown
from avfer.media import probe
from avfer.option_types import Count, Number, check_options, parse_seconds
from avfer.picture_files import is_sequence
from avfer.readers import images, indexed, seek
from avfer.readers.arrays import array_pictures
from avfer.readers.picture import FrameMemory, Picture, stack_rgb
from avfer.readers.sound import sound_duration
from avfer.readers.ticks import ticks_outside
from avfer.types import Clip, Clock, FrameBatch, Gaps, Span

Rate = Annotated[Number, Field(gt=0, le=1000)]  # Hz
Time = Number | str  # seconds, or hh:mm:ss
SEQUENCE_FPS = 25.0  # Hz
TICK_RATE = 25  # Hz, clock of a clip without video
ROUNDING = 1e-6  # s; 1.007 - 0.007 is a little less than 1, and a frame with this time belongs to the second from 1 on
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
    gaps: Gaps  # in which there are no ticks


@dataclass
class VideoState:
    """Progress of decoding one clip's frames. It contains the open reader, so each state can be used once only."""

    pictures: Iterator[Picture] | None = None  # None until the clip is opened
    pending: Picture | None = None  # decoded but not output yet; None at the end of the clip
    size: tuple[int, int] = (0, 0)  # (height, width) px of the first frame; all others are scaled to it
    ticks: _Ticks | None = None  # of a clip without video
    count: int = 0  # frames or ticks that were output
    memory: FrameMemory = field(default_factory=FrameMemory)  # of the frames


@dataclass
class DecodeVideo:
    """Output the frames of a clip with their presentation times; without video, the ticks of a fixed clock.

    Times are seconds after the first frame of the file. Where time stamps start over, as in parts of a recording that
    were joined, times continue; a single frame whose time goes backwards keeps its place and its time. Frames are
    upright; those of another size than the first are scaled to it. A frame is marked `corrupt` if the decoder flags it
    or lost frames before it. A clip without video has ticks at 25 Hz from its first sample to its end, apart from gaps
    of more than a minute.

    Every frame is output unless an option leaves it out: `every` keeps the frames with the numbers 0, `every`,
    2 * `every`, ...; `fps` keeps the first frame of each 1 / `fps` seconds; `start_at` and `stop_at` keep the frames
    between two times. The frames that are kept have the numbers and times that they have in the whole file.

    The reader is `pyav`, which reads every format, or `decord` or `torchcodec`, if they are installed. A folder of
    pictures, or a pattern such as `frames/%04d.png`, is a clip with `sequence_fps` pictures a second.
    """

    reader: str = "pyav"  # library that decodes: pyav, decord or torchcodec
    every: Annotated[Count, Field(ge=1, le=100_000)] = 1  # keep each frame whose number is a multiple of this
    fps: Rate | None = None  # Hz, the highest rate of frames that are kept
    start_at: Time = 0.0  # seconds, or hh:mm:ss
    stop_at: Time | None = None  # seconds or hh:mm:ss, excluded; null: the end of the clip
    sequence_fps: Rate = SEQUENCE_FPS  # Hz, of a clip that is a sequence of pictures
    _part: tuple[float, float] = field(init=False, repr=False)  # start_at and stop_at in seconds

    def __post_init__(self) -> None:
        check_options(self)
        if self.reader not in READERS:
            raise ConfigError(f"reader: {unknown('reader', self.reader, READERS)}")
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
            return state, _output_ticks(state, state.ticks, span.stop)
        height, width = state.size
        most = math.inf if span.max_bytes is None else max(1, span.max_bytes // (height * width * 3))
        ready: list[Picture] = []
        while state.pending is not None and state.pending.time < span.stop and len(ready) < most:
            ready.append(state.pending)
            state.pending = next(state.pictures or iter(()), None)
        clock = Clock(
            first=state.count,
            times=np.array([picture.time for picture in ready], np.float64),
            corrupt=np.array([picture.corrupt for picture in ready], bool),
            last=state.pending is None,
            numbers=np.array([picture.number for picture in ready], np.int64) if self._leaves_out_frames else None,
        )
        state.count = clock.stop
        return state, FrameBatch(clock, stack_rgb(ready, state.size, state.memory))

    def next_time(self, state: VideoState) -> float:
        """Return the time of the next frame or tick in seconds, infinity at the end of the clip."""
        if state.ticks is not None:
            return _next_tick(state.ticks)
        return math.inf if state.pending is None else state.pending.time

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
        state.pending = next(state.pictures, None)
        if state.pending is None:
            raise MediaError(f"'{clip.path}' has no frame {_part_text(self._part)}; check --start and --stop")
        state.size = state.pending.size

    def _pictures(self, clip: Clip) -> Iterator[Picture] | None:
        """Return the frames of a clip from `start_at` on, None if it has no video."""
        if clip.arrays is not None:
            return array_pictures(clip.arrays)
        if is_sequence(clip.path):
            return images.pictures(clip.path, self.sequence_fps)
        if probe(clip.path).video is None:
            return None
        if self.sequence_fps != SEQUENCE_FPS:
            warnings.warn(
                "sequence_fps (--fps) is the rate of picture sequences, and videos keep their own; to read fewer frames"
                " of a video, set the option fps of its stage decode_video",
                AvferWarning,
                stacklevel=2,
            )
        return READERS[self.reader](clip.path, max(0.0, self._part[0] - ROUNDING))

    def _kept(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """Yield the frames that the options keep."""
        start, stop = self._part
        cell = -1  # of 1 / fps seconds: that of the last frame that was kept
        for picture in pictures:
            if picture.time >= stop - ROUNDING and self._leaves_out_frames:
                return
            if picture.time < start - ROUNDING or picture.number % self.every:
                continue
            if self.fps is not None:
                now = math.floor((picture.time + ROUNDING) * self.fps)
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
            end = f"it ends at {seconds:.2f} s"
            raise MediaError(f"'{path}' has no sound {_part_text(self._part)}; {end}, check --start and --stop")
        return ticks


def parse_part(start: float | str, stop: float | str | None) -> tuple[float, float]:
    """Return the options `start_at` and `stop_at` in seconds. Raises ConfigError if they are no times in this order."""
    first = parse_seconds(start, "start_at")
    last = math.inf if stop is None else parse_seconds(stop, "stop_at")
    if first >= last:
        raise ConfigError(f"stop_at: must be later than start_at ({first:g} s), got {last:g} s")
    return first, last


def _part_text(part: tuple[float, float]) -> str:
    """Return a part of a clip in words.   part: start and stop in seconds, infinity for the end of the clip

    >>> _part_text((5.0, math.inf))
    'at or after 5 s'
    """
    start, stop = part
    return f"at or after {start:g} s" + ("" if math.isinf(stop) else f" and before {stop:g} s")


def _output_ticks(state: VideoState, ticks: _Ticks, stop: float) -> FrameBatch:
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
