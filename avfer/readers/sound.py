"""Sound by PyAV: mono, resampled, on the time axis of the frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import soxr
from av import AudioFrame, AudioStream, Packet, VideoStream
from av.container import InputContainer
from pydantic import Field

from avfer.container import (
    audio_stream,
    check_gap,
    decode_packet,
    open_container,
    read_packets,
    time_of,
    video_stream,
)
from avfer.errors import MediaError, counted
from avfer.media import Media
from avfer.option_types import Count
from avfer.readers.ticks import Coverage, inner_gap
from avfer.types import Gaps

TOLERANCE = 0.02  # seconds by which time stamps and sample count may differ before samples are filled in or dropped
FILL = 1.0  # seconds of silence that are written at once into a gap
SAMPLE_RATES = (1_000, 1_000_000)  # Hz; files that state another rate are damaged
Channel = (
    Literal["mix", "left", "right"] | Annotated[Count, Field(ge=1, le=64)]
)  # the mean of all channels, or one of them, counted from 1


@dataclass(frozen=True, eq=False)
class Sound:
    """Consecutive resampled samples."""

    samples: np.ndarray  # (S,) float32 in [-1, 1]
    start: float  # seconds after the first video frame, of the first sample of the whole sound


@dataclass(frozen=True)
class Skip:
    """Silence that was left out of the sound, between the items before and after."""

    at: float  # seconds of sound before it, not counting silence that was left out before
    seconds: int  # length of the silence
    gaps: Gaps  # its parts in which the clip has no frames either


@dataclass(frozen=True)
class End:
    """The last item of `read_sound`."""

    clip_stop: float  # seconds, end of the whole clip, video and sound
    gaps: Gaps = ()  # of the video, in a clip without sound


class GaplessSound:
    """Resamples mono sound on an axis without gaps: missing samples become silence, repeated ones are dropped.

    The inner part of a gap that is longer than a minute is left out, whole seconds of silence.

    start: seconds, time of the first sample; input_rate: Hz, of the samples that are added; output_rate: Hz, of the
    samples that are returned.
    """

    def __init__(self, start: float, input_rate: int, output_rate: int) -> None:
        self.start = start  # seconds, of the first sample
        self.input_rate = input_rate  # Hz
        self.count = 0  # samples of the input so far
        self.skipped = 0  # seconds of silence that were left out so far
        self._resampler = soxr.ResampleStream(input_rate, output_rate, 1, dtype="float64", quality="HQ")

    @property
    def stop(self) -> float:
        """Seconds, end of the input so far."""
        return self.start + self.skipped + self.count / self.input_rate

    def add(self, samples: np.ndarray, time: float | None) -> Iterator[Sound | Skip]:
        """Yield the resampled sound for samples that start at a time in seconds; None: directly after the others.

        samples: (S,) float64 in [-1, 1] at `input_rate`.
        """
        if time is not None and abs(time - self.stop) > TOLERANCE:
            inner = inner_gap(self.stop, time)
            if inner is not None:
                edge = round((inner[0] - self.stop) * self.input_rate)
                yield self._put(np.zeros(edge))
                yield Skip(self.count / self.input_rate, round(inner[1] - inner[0]), (inner,))
                self.skipped += round(inner[1] - inner[0])
            while (gap := round((time - self.stop) * self.input_rate)) > 0:
                yield self._put(np.zeros(min(gap, round(FILL * self.input_rate))))
            samples = samples[-gap if gap < 0 else 0 :]
        yield self._put(samples)

    def finish(self) -> Sound:
        """Return the samples that the resampler still holds back."""
        return self._put(np.zeros(0), last=True)

    def _put(self, samples: np.ndarray, last: bool = False) -> Sound:
        self.count += len(samples)
        return Sound(self._resampler.resample_chunk(samples, last=last).astype(np.float32), self.start)


def read_sound(media: Media, sample_rate: int, channel: Channel = "mix") -> Iterator[Sound | Skip | End]:
    """Yield the sound of a file in pieces that depend on the file alone, then the end of the clip.

    A file without sound yields the end alone. Packets of the video are not decoded; the latest of them states where
    the video ends. Raises MediaError if the file cannot be opened, its time stamps or its sample rate are damaged, or
    it has no such channel.
    """
    zero = media.video.first_s if media.video else None
    with open_container(media.path) as container:
        video, audio = video_stream(container), audio_stream(container)
        sound: GaplessSound | None = None
        coverage = Coverage()  # of the video
        for packet in read_packets(container, *(s for s in (video, audio) if s is not None)):
            if packet is not None and video is not None and packet.stream_index == video.index:
                _cover(coverage, packet, video, zero or 0.0)
                continue
            if audio is None:
                continue
            for frame in decode_packet(audio, packet) or ():
                now = time_of(frame, audio)
                zero = (now or 0.0) if zero is None else zero
                time = None if now is None else now - zero
                if sound is None:
                    sound = GaplessSound(time or 0.0, _checked_rate(media, frame), sample_rate)
                check_gap(media.path, sound.stop, sound.stop if time is None else time)
                one = _one_channel(media, frame, channel)
                for item in sound.add(_at_rate(one, frame.sample_rate, sound.input_rate), time):
                    yield _with_empty_parts(item, coverage) if isinstance(item, Skip) else item
        stop = max(0.0, coverage.stop or 0.0)
        if sound is not None:
            yield sound.finish()
            stop = max(stop, sound.stop)
        yield End(stop, tuple(coverage.gaps) if sound is None else ())


def _cover(coverage: Coverage, packet: Packet, stream: VideoStream, zero: float) -> None:
    """Add the time of a video packet, unless it is unknown. zero: s, first frame on the container's axis."""
    stop, begin = packet_stop(packet, stream), time_of(packet, stream)
    coverage.add(stop - zero if begin is None else min(begin, stop) - zero, stop - zero)


def _with_empty_parts(skip: Skip, coverage: Coverage) -> Skip:
    """Return the gap of a Skip reduced to the parts without video."""
    return Skip(skip.at, skip.seconds, tuple(part for gap in skip.gaps for part in coverage.empty_parts(*gap)))


def _checked_rate(media: Media, frame: AudioFrame) -> int:
    """Return the sample rate of a frame. Raises MediaError if no recorder would write it."""
    lowest, highest = SAMPLE_RATES
    if not lowest <= frame.sample_rate <= highest:
        raise MediaError(
            f"the sound of '{media.path}' states a sample rate of {frame.sample_rate} Hz, not {lowest} to {highest} Hz,"
            " so the file is damaged; write it again"
        )
    return frame.sample_rate


def sound_duration(container: InputContainer, stream: AudioStream) -> tuple[float, Gaps]:
    """Return the seconds from the first sample to the end, by the packets' time stamps, and the gaps between.

    Only the first packets are decoded.
    """
    zero: float | None = None
    coverage = Coverage()
    for packet in read_packets(container, stream):
        for frame in (zero is None and decode_packet(stream, packet)) or ():
            zero = time_of(frame, stream) if zero is None else zero
        if packet is not None and (stop := packet_stop(packet, stream)):
            coverage.add(min(stop, time_of(packet, stream) or 0.0), stop)
    first = zero or 0.0
    gaps = tuple((start - first, stop - first) for start, stop in coverage.gaps)
    return max(0.0, (coverage.stop or 0.0) - first), gaps


def packet_stop(packet: Packet, stream: VideoStream | AudioStream) -> float:
    """Return the seconds on the container's axis at which a packet's content ends; 0 if it has no time stamp."""
    begin, length = time_of(packet, stream), float((packet.duration or 0) * (stream.time_base or 0))
    if not length and isinstance(stream, VideoStream) and stream.average_rate:
        length = 1 / float(stream.average_rate)
    return 0.0 if begin is None or packet.is_discard else begin + length


def mono(frame: AudioFrame) -> np.ndarray:
    """Return the mean of the channels: (S,) float64.

    Integers are scaled to [-1, 1). Of floats, NaN becomes 0 and infinities become 1 and -1.
    """
    channels = _channels(frame)
    with np.errstate(invalid="ignore"):  # infinities of both signs
        return _scaled(channels.mean(axis=0, dtype=np.float64), channels.dtype)


def _one_channel(media: Media, frame: AudioFrame, channel: Channel) -> np.ndarray:
    """Return the mean of the channels, or one of them: (S,) float64. Raises MediaError if there is no such channel."""
    if channel == "mix":
        return mono(frame)
    channels, number = _channels(frame), {"left": 1, "right": 2}.get(str(channel)) or int(channel)
    if number > len(channels):
        raise MediaError(
            f"the sound of '{media.path}' has {counted(len(channels), 'channel')}, so channel: {channel} does not"
            f" exist; use mix or a number from 1 to {len(channels)}"
        )
    return _scaled(channels[number - 1].astype(np.float64), channels.dtype)


def _channels(frame: AudioFrame) -> np.ndarray:
    """Return the samples of a frame in the type in which they are stored: (C, S)."""
    samples = frame.to_ndarray()
    return samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T


def _scaled(values: np.ndarray, stored: np.dtype) -> np.ndarray:
    """Return samples of a type as (S,) float64 in [-1, 1].   values: (S,) float64"""
    if stored == np.uint8:
        return (values - 128) / 128
    if stored.kind == "f":
        return np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
    return values / 2.0 ** (8 * stored.itemsize - 1)


def _at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Resample sound whose rate changed within the stream to the rate with which it began.   (S,) -> (S',)"""
    return samples if rate == wanted else soxr.resample(samples, rate, wanted)
