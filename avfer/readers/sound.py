"""Sound by PyAV: mono, resampled, on the time axis of the frames."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from av import AudioFrame, AudioStream, Packet, VideoStream
from av.container import InputContainer

from avfer.container import (
    audio_stream,
    check_gap,
    decode_packet,
    open_container,
    read_packets,
    time_of,
    video_stream,
)
from avfer.media import Media

TOLERANCE = 0.02  # seconds by which time stamps and sample count may differ before samples are filled in or dropped
FILL = 1.0  # seconds of silence that are written at once into a gap


@dataclass(frozen=True, eq=False)
class Sound:
    """Consecutive resampled samples."""

    samples: np.ndarray  # (S,) float32 in [-1, 1]
    start: float  # seconds after the first video frame, of the first sample of the whole sound


@dataclass(frozen=True)
class End:
    """The last item of `read_sound`."""

    clip_stop: float  # seconds, end of the whole clip, video and sound


class GaplessSound:
    """Resamples mono sound on an axis without gaps: missing samples become silence, repeated ones are dropped."""

    def __init__(self, start: float, rate: int, sample_rate: int) -> None:
        self.start = start  # seconds, of the first sample
        self.rate = rate  # Hz, of the input
        self.count = 0  # samples of the input so far
        self._resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float64", quality="HQ")

    @property
    def stop(self) -> float:
        """Seconds, end of the input so far."""
        return self.start + self.count / self.rate

    def add(self, samples: np.ndarray, time: float | None) -> Iterator[Sound]:
        """Yield the resampled sound for samples that start at a time in seconds; None: directly after the others.

        samples: (S,) float64 in [-1, 1] at the input's rate.
        """
        if time is not None and abs(time - self.stop) > TOLERANCE:
            while (gap := round((time - self.stop) * self.rate)) > 0:
                yield self._put(np.zeros(min(gap, round(FILL * self.rate))))
            samples = samples[-gap if gap < 0 else 0 :]
        yield self._put(samples)

    def finish(self) -> Sound:
        """Return the samples that the resampler still holds back."""
        return self._put(np.zeros(0), last=True)

    def _put(self, samples: np.ndarray, last: bool = False) -> Sound:
        self.count += len(samples)
        return Sound(self._resampler.resample_chunk(samples, last=last).astype(np.float32), self.start)


def read_sound(media: Media, sample_rate: int) -> Iterator[Sound | End]:
    """Yield the sound of a file in pieces that depend on the file alone, then the end of the clip.

    A file without sound yields the end alone. Packets of the video are not decoded; the latest of them states where
    the video ends. Raises MediaError if the file cannot be opened or its time stamps are damaged.
    """
    zero = media.video.first_s if media.video else None
    with open_container(media.path) as container:
        video, audio = video_stream(container), audio_stream(container)
        sound: GaplessSound | None = None
        stop = 0.0
        for packet in read_packets(container, *(s for s in (video, audio) if s is not None)):
            if packet is not None and video is not None and packet.stream_index == video.index:
                stop = max(stop, packet_stop(packet, video) - (zero or 0.0))
                continue
            if audio is None:
                continue
            for frame in decode_packet(audio, packet) or ():
                now = time_of(frame, audio)
                zero = (now or 0.0) if zero is None else zero
                time = None if now is None else now - zero
                if sound is None:
                    sound = GaplessSound(time or 0.0, frame.sample_rate, sample_rate)
                check_gap(media.path, sound.stop, sound.stop if time is None else time)
                yield from sound.add(_at_rate(mono(frame), frame.sample_rate, sound.rate), time)
        if sound is not None:
            yield sound.finish()
            stop = max(stop, sound.stop)
        yield End(stop)


def sound_duration(container: InputContainer, stream: AudioStream) -> float:
    """Return the seconds from the first sample to the end, by the packets' time stamps.

    Only the first packets are decoded.
    """
    zero: float | None = None
    stop = 0.0
    for packet in read_packets(container, stream):
        for frame in (zero is None and decode_packet(stream, packet)) or ():
            zero = time_of(frame, stream) if zero is None else zero
        if packet is not None:
            stop = max(stop, packet_stop(packet, stream))
    return max(0.0, stop - (zero or 0.0))


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
    samples = frame.to_ndarray()
    channels = samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
    mean = channels.mean(axis=0, dtype=np.float64)
    if samples.dtype == np.uint8:
        return (mean - 128) / 128
    if samples.dtype.kind == "f":
        return np.nan_to_num(mean, nan=0.0, posinf=1.0, neginf=-1.0)
    return mean / 2.0 ** (8 * samples.dtype.itemsize - 1)


def _at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Resample sound whose rate changed within the stream to the rate with which it began.   (S,) -> (S',)"""
    return samples if rate == wanted else soxr.resample(samples, rate, wanted)
