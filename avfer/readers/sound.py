"""Sound by PyAV: mono, resampled, on the time axis of the pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from av import AudioFrame

from avfer.media import Media, frames_of, opened, packets, picture_stream, seconds, sound_stream

SLACK = 0.02  # seconds by which time stamps and sample count may differ before sound is filled in or cut
FILL = 1.0  # seconds of silence written at once into a gap


@dataclass(frozen=True, eq=False)
class Sound:
    """Consecutive samples, and where the sound began."""

    samples: np.ndarray  # (S,) float32 in [-1, 1]
    start: float  # seconds after the first video frame, of the first sample of all


@dataclass(frozen=True)
class End:
    """The last thing a source says."""

    clip_stop: float  # seconds, where the whole clip ends


def sound(media: Media, sample_rate: int) -> Iterator[Sound | End]:
    """The sound in pieces, then where the clip ends; no piece at all where there is no sound."""
    zero = media.video.first_s if media.video else None
    resampler: soxr.ResampleStream | None = None
    start, rate, count, stop = 0.0, 0, 0, 0.0
    with opened(media.path) as container:
        picture, voice = picture_stream(container), sound_stream(container)
        streams = [s for s in (picture, voice) if s is not None]
        for packet in packets(container, *streams):
            if packet is not None and (voice is None or packet.stream_index != voice.index):
                stop = max(stop, _packet_end(packet, zero or 0.0, picture))
                continue
            for frame in (frames_of(voice, packet) or ()) if voice else ():
                now = seconds(frame, voice)
                if resampler is None:
                    rate = frame.sample_rate
                    resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float64", quality="HQ")
                    now = 0.0 if now is None else now
                    zero = now if zero is None else zero
                    start = now - zero
                block = mono(frame)
                if now is not None:
                    gap = round((now - zero - start) * rate) - count
                    while gap > SLACK * rate:
                        fill = min(gap, round(FILL * rate))
                        yield Sound(resampler.resample_chunk(np.zeros(fill)).astype(np.float32), start)
                        gap, count = gap - fill, count + fill
                    if gap < -SLACK * rate:
                        block = block[-gap:]
                yield Sound(resampler.resample_chunk(block).astype(np.float32), start)
                count += len(block)
        if resampler is not None:
            yield Sound(resampler.resample_chunk(np.zeros(0), last=True).astype(np.float32), start)
            stop = max(stop, start + count / rate)
        yield End(stop)


def _packet_end(packet, zero, stream) -> float:
    ticks = packet.dts if packet.pts is None else packet.pts
    if ticks is None:
        return 0.0
    length = float(packet.duration * packet.time_base) or (1 / float(stream.average_rate) if stream.average_rate else 0.0)
    return float(ticks * packet.time_base) - zero + length


def mono(frame: AudioFrame) -> np.ndarray:
    """The mean over the channels, integers scaled to [-1, 1).   -> (S,) float64"""
    samples = frame.to_ndarray()
    channels = samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return (channels.mean(0, dtype=np.float64) - 128) / 128
    scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.dtype.itemsize - 1)
    return channels.mean(0, dtype=np.float64) / scale
