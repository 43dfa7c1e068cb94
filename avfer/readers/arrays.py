"""Frames and sound that are arrays in memory."""

from collections.abc import Iterator

import numpy as np
import soxr

from avfer.errors import ConfigError
from avfer.readers.indexed import ArrayPicture
from avfer.readers.sound import Channel, End, Sound
from avfer.types import ClipArrays


def array_pictures(arrays: ClipArrays) -> Iterator[ArrayPicture]:
    """Yield the frames of a clip in memory; frame k has the time k / fps."""
    for number, pixels in enumerate(arrays.frames):
        yield ArrayPicture(pixels, number / arrays.fps, number=number)


def array_sound(arrays: ClipArrays, sample_rate: int, channel: Channel) -> Iterator[Sound | End]:
    """Yield the resampled sound of a clip in memory second by second, then its end; channels as in `read_sound`.

    Raises ConfigError if there is no such channel.
    """
    stop = len(arrays.frames) / arrays.fps
    if arrays.audio is not None:
        resampler = soxr.ResampleStream(arrays.sample_rate, sample_rate, 1, dtype="float64", quality="HQ")
        total = arrays.audio.shape[1]
        for at in range(0, total, arrays.sample_rate):
            block = _one_channel(arrays.audio[:, at : at + arrays.sample_rate], channel)
            part = resampler.resample_chunk(block, last=at + arrays.sample_rate >= total)
            yield Sound(part.astype(np.float32), 0.0)
        stop = max(stop, total / arrays.sample_rate)
    yield End(stop)


def _one_channel(audio: np.ndarray, channel: Channel) -> np.ndarray:
    """Return the mean of the channels or one of them.   (C, S) -> (S,) float64"""
    if channel == "mix":
        return np.nan_to_num(audio.mean(axis=0, dtype=np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
    number = {"left": 1, "right": 2}.get(str(channel)) or int(channel)
    if number > len(audio):
        raise ConfigError(f"channel: the audio has {len(audio)} channel(s), so {channel} does not exist")
    return np.nan_to_num(audio[number - 1].astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
