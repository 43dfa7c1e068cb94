"""Sound by PyAV: mono, resampled, on the time axis of the pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from av import AudioFrame, AudioStream, Packet, VideoStream
from av.container import InputContainer

from avfer.media import Media, check_jump, frames_of, opened, packets, picture_stream, seconds, sound_stream

SLACK = 0.02  # seconds by which time stamps and sample count may differ before sound is filled in or cut
FILL = 1.0  # seconds of silence written at once into a gap


@dataclass(frozen=True, eq=False)
class Sound:
    """Consecutive samples, and where the sound began."""

    samples: np.ndarray  # (S,) float32 in [-1, 1]
    start: float  # seconds after the first video frame, of the first sample of all


@dataclass(frozen=True)
class End:
    """The last word of a source."""

    clip_stop: float  # seconds, where the whole clip ends, picture and sound


class Line:
    """Mono sound of one rate on a gapless axis: silence fills what is missing, what comes twice is cut."""

    def __init__(self, start: float, rate: int, sample_rate: int) -> None:
        self.start = start  # seconds, of the first sample
        self.rate = rate  # Hz, of what goes in
        self.count = 0  # samples that went in
        self._resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float64", quality="HQ")

    @property
    def stop(self) -> float:
        """Seconds, where the sound ends by now."""
        return self.start + self.count / self.rate

    def add(self, samples: np.ndarray, time: float | None) -> Iterator[Sound]:
        """Samples that belong at a time (None: at the end of the others).   samples: (S,) float64"""
        if time is not None and abs(time - self.stop) > SLACK:
            while (gap := round((time - self.stop) * self.rate)) > 0:
                yield self._put(np.zeros(min(gap, round(FILL * self.rate))))
            samples = samples[-gap if gap < 0 else 0 :]
        yield self._put(samples)

    def finish(self) -> Sound:
        """What the resampler still holds back."""
        return self._put(np.zeros(0), last=True)

    def _put(self, samples: np.ndarray, last: bool = False) -> Sound:
        self.count += len(samples)
        return Sound(self._resampler.resample_chunk(samples, last=last).astype(np.float32), self.start)


def sound(media: Media, sample_rate: int) -> Iterator[Sound | End]:
    """The sound in pieces that depend on the file alone, then where the clip ends; no piece where no sound is.

    Packets of the picture pass by without being decoded: the latest tells where the picture ends.
    """
    zero = media.video.first_s if media.video else None
    with opened(media.path) as container:
        picture, voice = picture_stream(container), sound_stream(container)
        line: Line | None = None
        stop = 0.0
        for packet in packets(container, *(s for s in (picture, voice) if s is not None)):
            if packet is not None and picture is not None and packet.stream_index == picture.index:
                stop = max(stop, packet_stop(packet, picture) - (zero or 0.0))
                continue
            if voice is None:
                continue
            for frame in frames_of(voice, packet) or ():
                now = seconds(frame, voice)
                zero = (now or 0.0) if zero is None else zero
                time = None if now is None else now - zero
                if line is None:
                    line = Line(time or 0.0, frame.sample_rate, sample_rate)
                check_jump(media.path, line.stop, line.stop if time is None else time)
                yield from line.add(_at_rate(mono(frame), frame.sample_rate, line.rate), time)
        if line is not None:
            yield line.finish()
            stop = max(stop, line.stop)
        yield End(stop)


def sound_stop(container: InputContainer, stream: AudioStream) -> float:
    """Seconds from the first sample to the end, by the packets' stamps; only the first ones are decoded."""
    zero: float | None = None
    stop = 0.0
    for packet in packets(container, stream):
        for frame in (zero is None and frames_of(stream, packet)) or ():
            zero = seconds(frame, stream) if zero is None else zero
        if packet is not None:
            stop = max(stop, packet_stop(packet, stream))
    return max(0.0, stop - (zero or 0.0))


def packet_stop(packet: Packet, stream: VideoStream | AudioStream) -> float:
    """Seconds on the container's axis where what a packet holds ends; 0 where it does not say."""
    begin, length = seconds(packet, stream), float((packet.duration or 0) * (stream.time_base or 0))
    if not length and isinstance(stream, VideoStream) and stream.average_rate:
        length = 1 / float(stream.average_rate)
    return 0.0 if begin is None or packet.is_discard else begin + length


def mono(frame: AudioFrame) -> np.ndarray:
    """The mean over the channels; integers are scaled to [-1, 1), what is no number is silence.   -> (S,) float64"""
    samples = frame.to_ndarray()
    channels = samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
    mean = channels.mean(axis=0, dtype=np.float64)
    if samples.dtype == np.uint8:
        return (mean - 128) / 128
    if samples.dtype.kind == "f":
        return np.nan_to_num(mean, nan=0.0, posinf=1.0, neginf=-1.0)
    return mean / 2.0 ** (8 * samples.dtype.itemsize - 1)


def _at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Sound whose rate changed in mid-stream, at the rate it began with."""
    return samples if rate == wanted else soxr.resample(samples, rate, wanted)
