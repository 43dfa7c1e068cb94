"""Make tests/data/demo.mp4, a photograph that speaks, smiles and is surprised: `python -m tools.make_demo`."""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage import data

from tools.demo_face import SIZE, drawn, portrait, relaxed
from tools.demo_speech import RATE, speech

DEMO = Path(__file__).parents[1] / "tests" / "data" / "demo.mp4"
SECONDS, FPS = 5.2, 25


def loudness_of(sound: np.ndarray, frames: int) -> np.ndarray:
    """Return how far the jaw opens at each frame, in [0, 1]: (S,) -> (frames,)."""
    power = np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(sound, frames)])
    power = np.convolve(power, [0.25, 0.5, 0.25], "same")
    return np.clip(power / np.quantile(power, 0.95), 0, 1) ** 0.6


def write(path: Path, frames: list[np.ndarray], sound: np.ndarray) -> None:
    """Write an MP4 with H.264 and AAC.   frames: (S, S, 3) uint8 each; sound: (S,) float32 at RATE"""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "18", "preset": "slow"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 64000
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        for first in range(0, len(sound), 1024):
            part = av.AudioFrame.from_ndarray(sound[None, first : first + 1024], format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = RATE, first, Fraction(1, RATE)
            container.mux(audio.encode(part))
        container.mux(audio.encode())


def main() -> None:
    """Write the demo clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=DEMO, help="file to write (default: that of the tests)")
    output: Path = parser.parse_args().output
    count = round(SECONDS * FPS)
    sound, photograph = speech(SECONDS), data.astronaut()
    smile, calm = portrait(photograph), portrait(relaxed(photograph))
    opened = loudness_of(sound, count)
    write(output, [drawn(smile, calm, index / FPS, opened[index]) for index in range(count)], sound)
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
