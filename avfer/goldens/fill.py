"""Weights and inputs that follow from a name and a shape alone, so that a golden needs no checkpoint.

The values are NumPy's PCG64 normal numbers with the CRC-32 of the name as seed; a tensor's role, told by its
name and rank, decides how they are scaled.
"""

import zlib
from math import prod

import numpy as np


def filled(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values of a state-dict tensor: float32, or int64 zeros for a step counter."""
    role = name.rpartition(".")[2]
    if role == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    normal = _normal(name, shape)
    if role == "running_var":
        return 1.0 + 0.1 * np.abs(normal)
    if role == "running_mean" or role.endswith("bias"):
        return 0.1 * normal
    if len(shape) > 1:
        return normal / np.float32(max(1, prod(shape[1:])) ** 0.5)
    return 1.0 + 0.1 * normal


def sample(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """An input: standard-normal float32."""
    return _normal(f"input:{key}", shape)


def chirp(noise: np.ndarray, rate: float, amplitude: float, f0: float, f1: float, share: float) -> np.ndarray:
    """A sweep from `f0` to `f1` Hz over the whole length plus `share` of the noise (S,), in float64."""
    seconds = len(noise) / rate
    t = np.arange(len(noise)) / rate
    return amplitude * np.sin(2 * np.pi * (f0 * t + (f1 - f0) * t * t / (2 * seconds))) + share * noise.astype(float)


def _normal(key: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = zlib.crc32(key.encode())
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)
