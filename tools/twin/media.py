"""Files of pictures and sound."""

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

WAV_RATE = 44_100  # Hz, as loaders of RECOLA read it
BLOCK = 1024  # samples of one frame of AAC


def write_video(path: Path, frames: Iterable[np.ndarray], width: int, fps: int, sound: np.ndarray) -> None:
    """H.264 and AAC.   frames: (PICTURE, width, 3) uint8 RGB; sound: (S,) float32 at RATE"""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "23", "preset": "ultrafast", "threads": "1"})
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        video.width, video.height, video.pix_fmt = width, PICTURE, "yuv420p"
        said = 0
        for number, picture in enumerate(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            until = (number + 1) * RATE // fps // BLOCK * BLOCK
            _say(container, audio, sound, said, until)
            said = max(said, until)
        _say(container, audio, sound, said, len(sound))
        container.mux(video.encode())
        container.mux(audio.encode())


def write_sound(path: Path, sound: np.ndarray) -> None:
    """WAV, 16 bits, mono, 44.1 kHz.   sound: (S,) float32 at RATE"""
    path.parent.mkdir(parents=True, exist_ok=True)
    common = np.gcd(WAV_RATE, RATE)
    finer = resample_poly(sound, WAV_RATE // common, RATE // common)
    wavfile.write(path, WAV_RATE, (finer.clip(-1, 1) * 32767).round().astype(np.int16))


def _say(container: OutputContainer, audio: AudioStream, sound: np.ndarray, start: int, stop: int) -> None:
    for first in range(start, stop, BLOCK):
        part = av.AudioFrame.from_ndarray(sound[None, first : min(first + BLOCK, stop)], format="fltp", layout="mono")
        part.sample_rate, part.pts, part.time_base = RATE, first, Fraction(1, RATE)
        container.mux(audio.encode(part))
