"""The waves and the results of the golden `vggish-frontend`."""

from pathlib import Path
from typing import Any

import numpy as np

from avfer.goldens.golden_files import read_golden, read_golden_manifest

HERE = Path(__file__).parent / "vggish-frontend"


def manifest() -> dict[str, Any]:
    return read_golden_manifest(HERE)


def arrays() -> dict[str, np.ndarray]:
    with np.load(HERE / "golden.npz") as stored:
        return {name: stored[name] for name in stored.files}


def wave_16k() -> np.ndarray:
    """The 16 kHz mono wave of the golden (48000,) float64."""
    return read_golden(HERE).cases[0].inputs["wave"]


def wave_44k() -> np.ndarray:
    """The 44.1 kHz wave of the golden, left and right (2, 132300) float64."""
    inputs = read_golden(HERE).cases[1].inputs
    return np.stack([inputs["left"], inputs["right"]])
