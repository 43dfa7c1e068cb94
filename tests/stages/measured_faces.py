"""Crops of two faces on COUNT frames, with some left out, for tests of measure_faces and add_measures."""

import numpy as np
import torch
from hypothesis import strategies as st

from avfer.signal.geometry import similarity
from avfer.types import FaceCrops, FaceTracks
from tests.laws import clock

SIDE = 96
COUNT = 70
cuts = st.lists(st.integers(0, COUNT), max_size=4)
FIVE = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75))


def tracks(frames: np.ndarray, ids: np.ndarray, points: np.ndarray, count: int) -> FaceTracks:
    n = len(frames)
    box = np.tile(np.array([10, 10, 110, 110], np.float32), (n, 1))
    return FaceTracks(clock(count), frames, box, points.astype(np.float32), np.ones(n, np.float32), ids)


def to_crop(points: np.ndarray) -> np.ndarray:
    return similarity(points, np.array(FIVE) * SIDE)


def pictures(n: int) -> torch.Tensor:
    """Return n crops of random soft shapes, of different contrast: (n, SIDE, SIDE, 3) uint8."""
    coarse = torch.rand((n, 3, 12, 12), generator=torch.Generator().manual_seed(1)) - 0.5
    soft = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")
    return (128 + soft * torch.linspace(5, 250, n)[:, None, None, None]).clamp(0, 255).permute(0, 2, 3, 1).byte()


def two_faces() -> FaceCrops:
    """Return the crops of two faces, of which three in ten are left out."""
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(COUNT), 2)[: 2 * COUNT]
    ids = np.tile([0, 1], COUNT)
    kept = rng.uniform(size=2 * COUNT) > 0.3
    points = np.array(FIVE) * 80 + rng.normal(0, 1, (int(kept.sum()), 5, 2))
    pixels = pictures(int(kept.sum()))
    return FaceCrops(tracks(frames[kept], ids[kept], points, COUNT), pixels, to_crop(points))
