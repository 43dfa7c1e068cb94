"""decode_audio: the sound of a clip, resampled, on the time axis of its frames."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from avfer.errors import ConfigError
from avfer.media import probe
from avfer.option_types import Count, check_options
from avfer.picture_files import is_sequence
from avfer.readers.arrays import array_sound
from avfer.readers.sound import Channel, End, Skip, Sound, read_sound
from avfer.stage import ReadsSound
from avfer.stages.decode import Time, parse_part
from avfer.types import AudioBatch, Clip, Gaps, Span

ROUNDING = 1e-6  # samples, by which the place of a time in the sound may be wrong


@dataclass
class AudioState:
    """Progress of decoding one clip's sound. It contains the open reader, so each state can be used once only."""

    source: Iterator[Sound | Skip | End] | None = None  # None until the clip is opened
    waiting: list[np.ndarray] = field(default_factory=list[np.ndarray])  # resampled samples that were not output yet
    skips: list[tuple[int, Skip]] = field(default_factory=list[tuple[int, Skip]])  # before these samples, not reached
    sound_start: float = 0.0  # seconds, time of the first sample of the whole sound
    skipped: int = 0  # seconds of silence that were left out before sample `count`
    gaps: Gaps = ()  # parts of the silence that was left out without frames either; not output yet
    count: int = 0  # samples that were output or lie before the part that is wanted
    first_wanted: int = 0  # index of the first sample at or after `start_at`
    read: int = 0  # samples that were read
    end: End | None = None  # how the sound ends; None before that

    def time(self, index: int, rate: int) -> float:
        """Return the time of a sample between `count` and the next skip in seconds."""
        return self.sound_start + self.skipped + index / rate

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
    stop_at: Time | None = None  # seconds or hh:mm:ss, excluded; null: the end of the clip
    _part: tuple[float, float] = field(init=False, repr=False)  # start_at and stop_at in seconds

    def __post_init__(self) -> None:
        check_options(self)
        self._part = parse_part(self.start_at, self.stop_at)

    def for_readers(self, readers: Sequence[Any]) -> "DecodeAudio":
        """Return this stage. Raises ConfigError if a stage that reads its sound needs another sample rate."""
        for needed in (reader.sound_rate for reader in readers if isinstance(reader, ReadsSound)):
            if needed != self.sample_rate:
                raise ConfigError(f"sample_rate: the stages that read this sound need {needed}, got {self.sample_rate}")
        return self

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
        index, time = state.count, state.time(state.count, self.sample_rate)
        samples = state.take(ready)
        over = self._is_over(state)
        last = over or (state.end is not None and state.count == state.read)
        clip_stop = stop if over else state.end.clip_stop if state.end else None
        batch = AudioBatch(
            samples=torch.from_numpy(samples.copy())[None],
            sample_rate=self.sample_rate,
            start=time,
            first=index - state.first_wanted,
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
        return math.inf if self._is_over(state) else max(state.time(state.count, self.sample_rate), self._part[0])

    def _open(self, clip: Clip) -> Iterator[Sound | Skip | End]:
        if clip.arrays is not None and clip.sound is None:
            return array_sound(clip.arrays, self.sample_rate, self.channel)
        if clip.sound is None and is_sequence(clip.path):
            return iter([End(0.0)])
        return read_sound(probe(clip.sound or clip.path), self.sample_rate, self.channel)

    def _is_over(self, state: AudioState) -> bool:
        """Return whether no sample before `stop_at` is left; the same rounding as in `step` decides."""
        return self._part[1] < math.inf and self._samples_before(state, self._part[1]) <= 0

    def _samples_before(self, state: AudioState, stop: float) -> int:
        """Return the number of samples from `count` to a time in seconds, if no silence is left out between."""
        exact = (stop - state.sound_start - state.skipped) * self.sample_rate
        return math.ceil(exact - ROUNDING) - state.count

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
                state.sound_start = part.start
                state.read += len(part.samples)
            if self._part[0] > 0:
                self._drop_start(state)

    def _read_until(self, state: AudioState) -> float:
        """Return the time in seconds up to which the sound was read."""
        # A skip counts once all samples before it were read: the resampler may return some of them after the skip.
        ahead = sum(skip.seconds for first, skip in state.skips if first <= state.read)
        return state.sound_start + state.skipped + ahead + state.read / self.sample_rate

    def _drop_start(self, state: AudioState) -> None:
        """Drop the samples before `start_at`."""
        while True:
            state.pass_skips()
            limit = min(state.skips[0][0], state.read) if state.skips else state.read
            count = min(limit - state.count, self._samples_before(state, self._part[0]))
            if count <= 0:
                return
            state.take(count)
            state.first_wanted, state.gaps = state.count, ()
