"""The formulas of the golden `vggish-frontend`: waves from a seeded generator, so that only results are stored."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent / "vggish-frontend"


def manifest() -> dict[str, Any]:
    return json.loads((HERE / "manifest.json").read_text())


def arrays() -> dict[str, np.ndarray]:
    with np.load(HERE / "golden.npz") as stored:
        return {name: stored[name] for name in stored.files}


def chirp(key: str, samples: int, rate: int, amplitude: float, f0: float, f1: float, noise: float) -> np.ndarray:
    """A rising tone with noise (S,) float64."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"input:{key}".encode())))
    hiss = generator.standard_normal(samples).astype(np.float32).astype(np.float64)
    t, seconds = np.arange(samples) / rate, samples / rate
    return amplitude * np.sin(2 * np.pi * (f0 * t + (f1 - f0) * t * t / (2 * seconds))) + noise * hiss


def wave_16k() -> np.ndarray:
    """The 16 kHz mono wave of the golden (48000,) float64."""
    given = manifest()["cases"][0]["inputs"][0]
    return chirp(given["key"], given["shape"][0], **given["transform"]["chirp"])


def wave_44k() -> np.ndarray:
    """The 44.1 kHz wave of the golden, left and right (2, 132300) float64."""
    sides = manifest()["cases"][1]["inputs"]
    return np.stack([chirp(side["key"], side["shape"][0], **side["transform"]["chirp"]) for side in sides])
