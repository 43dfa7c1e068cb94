"""Measure FER+ faces with face_lite as `measure_faces` does, for the heads that read its measures."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.models.backbones.face_lite import FaceLiteMeasurer
from avfer.models.card_files import read_card
from avfer.signal.geometry import inverse, similarity, warp
from avfer.stages.join_measures import JOINED, columns
from avfer.stages.measure import to_measures
from avfer.types import Clock, FaceCrops, FaceTracks
from tools.train.face_measures_data import columns_of

PART = 128  # faces that are measured at once


@torch.inference_mode()
def measure_pictures(data: Path, split: str, pictures: np.ndarray, folder: Path) -> Tensor:
    """Return the measures of all faces of a split, NaN where the Face Landmarker found no landmarks to align them.

    data: folder of FER+ with the landmarks (teacher_train.npz); pictures: (N, 48, 48) uint8, all faces of the split;
    folder: of the weights of face_lite -> (N, 27) float32, the columns of `join_measures`.
    """
    path = folder / "face_lite.safetensors"
    card = read_card(path.with_suffix(".json"))
    measurer = FaceLiteMeasurer.load(path, card, torch.device("cpu"))
    with np.load(data / f"teacher_{split}.npz") as labels:
        found, points = labels["valid"], labels["landmarks"].astype(np.float64) * pictures.shape[1]
        points = points[:, columns_of(labels["landmark_index"])]
    assert card.size is not None, "face_lite has a size"
    measures = torch.full((len(pictures), len(JOINED)), torch.nan)
    for rows in torch.from_numpy(np.flatnonzero(found)).split(PART):
        to_crop = similarity(points[rows], np.array(card.template) * card.size)
        grey = [torch.from_numpy(pictures[row])[..., None].expand(-1, -1, 3) for row in rows]
        crops = [warp(face, back, card.size) for face, back in zip(grey, inverse(to_crop), strict=True)]
        faces = FaceCrops(_tracks(len(rows)), torch.stack(crops), to_crop)
        measures[rows] = torch.from_numpy(columns(to_measures(faces, measurer.outputs(faces.pixels), card)))
    return measures


def _tracks(n: int) -> FaceTracks:
    """Return n faces that fill their pictures, one on each frame."""
    boxes = np.tile(np.array([0, 0, 48, 48], np.float32), (n, 1))
    clock = Clock(0, np.arange(n, dtype=np.float64), np.zeros(n, bool), last=True)
    ones = np.ones(n, np.float32)
    return FaceTracks(clock, np.arange(n), boxes, np.zeros((n, 5, 2), np.float32), ones, np.arange(n))
