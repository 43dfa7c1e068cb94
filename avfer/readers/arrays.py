"""Frames and sound that are arrays in memory."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soxr
from pydantic import Field

from avfer.errors import ConfigError, counted
from avfer.media import AudioFacts, Media, VideoFacts
from avfer.option_types import Count, Number, check_option
from avfer.readers.picture import ArrayPicture
from avfer.readers.sound import Channel, End, Sound
from avfer.types import ClipArrays

LOUDEST = 2.0  # of samples in [-1, 1], which a resampler may exceed; far louder ones were not divided by 2**15


def clip_arrays(frames: Any, fps: float, audio: Any = None, sample_rate: int | None = None) -> ClipArrays:
    """Return a clip in memory.

    frames: (T, H, W, 3) uint8 RGB, as NumPy array, tensor or list of frames; fps: frames per second.
    audio: (S,) or (C, S), float in [-1, 1] or int16; sample_rate: Hz, needed with audio.
    Raises ConfigError if a shape, a type or a number does not fit.
    """
    try:
        pictures = np.asarray(frames)
    except ValueError:
        raise ConfigError("frames: must be (T, H, W, 3) uint8 RGB, got a list of arrays that differ in shape") from None
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8 or not pictures.size:
        found = f"{pictures.shape} {pictures.dtype}"
        raise ConfigError(f"frames: must be (T, H, W, 3) uint8 RGB with at least one frame, got {found}")
    check_option("fps", fps, Annotated[Number, Field(gt=0, le=1000)])
    if audio is None:
        return ClipArrays(pictures, float(fps))
    check_option("sample_rate", sample_rate, Annotated[Count, Field(ge=1000, le=1_000_000)])
    wave = np.atleast_2d(np.asarray(audio))
    if wave.ndim != 2 or not (wave.dtype == np.int16 or wave.dtype.kind == "f"):
        raise ConfigError(f"audio: must be (S,) or (C, S), float in [-1, 1] or int16, got {wave.shape} {wave.dtype}")
    if wave.shape[0] > wave.shape[1] > 0:
        raise ConfigError(f"audio: must be (C, S), got {wave.shape}, more channels than samples; give its transpose")
    if wave.dtype.kind == "f" and (peak := np.abs(wave[np.isfinite(wave)]).max(initial=0.0)) > LOUDEST:
        raise ConfigError(f"audio: must be float in [-1, 1] or int16, got floats up to {peak:g}")
    scaled = wave / 2.0**15 if wave.dtype == np.int16 else wave
    return ClipArrays(pictures, float(fps), scaled.astype(np.float32), int(sample_rate or 0))


def array_media(arrays: ClipArrays) -> Media:
    """Return the facts of a clip in memory; its name is "array"."""
    count, height, width, _ = arrays.frames.shape
    video = VideoFacts(0, "array", width, height, 0, "rgb24", arrays.fps, Fraction(1), 0.0)
    audio = None if arrays.audio is None else AudioFacts(1, "array", arrays.sample_rate, len(arrays.audio), 0.0)
    return Media(Path("array"), "array", 0.0, count / arrays.fps, video, audio)


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
        raise ConfigError(f"channel: the audio has {counted(len(audio), 'channel')}, so {channel} does not exist")
    return np.nan_to_num(audio[number - 1].astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
