"""Write the video and audio files of a twin."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from scipy.io import wavfile
from scipy.signal import resample_poly

from tools.demo_speech import RATE
from tools.twin.face import PICTURE

WAV_RATE = 44_100  # Hz, as in RECOLA
BLOCK = 1024  # samples in an AAC frame


def write_video(path: Path, frames: Iterable[np.ndarray], width: int, fps: int, audio: np.ndarray) -> None:
    """Write an MP4 with H.264 and AAC.   frames: (PICTURE, width, 3) uint8 RGB each; audio: (S,) float32 at RATE"""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "23", "preset": "ultrafast", "threads": "1"})
        track = container.add_stream("aac", rate=RATE, layout="mono")
        video.width, video.height, video.pix_fmt = width, PICTURE, "yuv420p"
        written = 0  # samples
        for number, picture in enumerate(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            until = (number + 1) * RATE // fps // BLOCK * BLOCK
            _write_samples(container, track, audio, written, until)
            written = max(written, until)
        _write_samples(container, track, audio, written, len(audio))
        container.mux(video.encode())
        container.mux(track.encode())


def write_audio(path: Path, audio: np.ndarray) -> None:
    """Write a WAV file with 16 bits, mono, 44.1 kHz.   audio: (S,) float32 at RATE"""
    path.parent.mkdir(parents=True, exist_ok=True)
    common = np.gcd(WAV_RATE, RATE)
    resampled = resample_poly(audio, WAV_RATE // common, RATE // common)
    wavfile.write(path, WAV_RATE, (resampled.clip(-1, 1) * 32767).round().astype(np.int16))


def _write_samples(container: OutputContainer, track: AudioStream, audio: np.ndarray, start: int, stop: int) -> None:
    for first in range(start, stop, BLOCK):
        part = av.AudioFrame.from_ndarray(audio[None, first : min(first + BLOCK, stop)], format="fltp", layout="mono")
        part.sample_rate, part.pts, part.time_base = RATE, first, Fraction(1, RATE)
        container.mux(track.encode(part))
