"""Load FER2013 faces with FER+ votes from one .npz per split, and turn votes into labels.

Barsoum et al. 2016, Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution,
arXiv:1608.01041; the rules follow the official code (github.com/microsoft/FERPlus).
"""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
# Of weights trained on these data.
LICENCE = "Apache-2.0 (FER+ labels: MIT; the FER2013 pictures have no stated licence and are not shipped)"
UNKNOWN = 8  # column of the votes after the eight expressions; the last column, 9, is "not a face"


def load_faces(root: Path, split: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the faces of a split, (N, 48, 48) uint8, and its arrays, among them `votes`, (N, 10) integers."""
    with np.load(root / f"{split}.npz") as archive:
        data = {name: archive[name] for name in archive.files}
    png, offset = data["png"].tobytes(), data["offset"]
    faces = [np.asarray(Image.open(io.BytesIO(png[a:b]))) for a, b in pairwise(offset)]
    return np.stack(faces), data


def majority(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (N,) int64, and which of them to keep, (N,) bool, by the majority mode of FER+.

    votes: (N, 10) integers. Single votes are outliers; the winner needs more than half of the others and must be one of
    the eight expressions.
    """
    clean = np.where(votes > 1, votes, 0).astype(np.int64)
    label = clean.argmax(1)
    keep = (clean.max(1) > 0.5 * clean.sum(1)) & (label < UNKNOWN)
    return label, keep


def distributions(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return targets, (N, 8) float32 that sum to 1, and which of them to keep, (N,) bool, by FER+'s cross-entropy mode.

    votes: (N, 10) integers. Columns are taken by descending votes, ties together, until they hold three quarters of all
    votes or are three. The walk stops at unknown or not-a-face, which count only if no expression was taken before
    them. The taken columns must hold more than half of all votes.
    """
    clean = np.where(votes > 1, votes, 0).astype(np.int64)
    targets = np.zeros((len(votes), len(CLASSES)), np.float32)
    keep = np.zeros(len(votes), bool)
    for i, row in enumerate(clean):
        total, taken = row.sum(), np.zeros(10)
        while taken.sum() < 0.75 * total and (taken > 0).sum() < 3:
            best = np.flatnonzero((row == np.where(taken > 0, 0, row).max()) & (taken == 0))
            faces, others = best[best < UNKNOWN], best[best >= UNKNOWN]
            taken[faces] = row[faces]
            if others.size:
                taken[others] = row[others] if taken.sum() == 0 else 0
                break
        faces = taken[:UNKNOWN]
        if taken.argmax() < UNKNOWN and taken.sum() > 0.5 * total and (taken > 0).sum() <= 3 and faces.sum() > 0:
            targets[i], keep[i] = faces / faces.sum(), True
    return targets, keep
