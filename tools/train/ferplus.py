"""FER2013 faces with FER+ votes, as arrays: one .npz per split (see the data's own README for its layout)."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
UNKNOWN, NOT_A_FACE = 8, 9


def load_faces(root: Path, split: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pictures (N, 48, 48) uint8 and the arrays of the split, among them `votes` (N, 10)."""
    with np.load(root / f"{split}.npz") as archive:
        data = {name: archive[name] for name in archive.files}
    png, offset = data["png"].tobytes(), data["offset"]
    faces = [np.asarray(Image.open(io.BytesIO(png[a:b]))) for a, b in pairwise(offset)]
    return np.stack(faces), data


def majority(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FER+'s majority mode: labels (N,) int64 and keep (N,) bool.

    Single votes count as outliers; the winner needs more than half of what is left and must be one of the
    eight expressions.
    """
    clean = np.where(votes > 1, votes, 0).astype(np.int64)
    label = clean.argmax(1)
    keep = (clean.max(1) > 0.5 * clean.sum(1)) & (label < UNKNOWN)
    return label, keep


def distributions(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FER+'s cross-entropy mode: targets (N, 8) float32 that sum to 1, and keep (N,) bool.

    The largest votes are taken, ties together, until they reach three quarters of all or three columns; the
    walk stops at unknown or not-a-face, which count only where no expression came before. What is kept must be
    over half of all votes.
    """
    clean = np.where(votes > 1, votes, 0).astype(np.int64)
    targets = np.zeros((len(votes), len(CLASSES)), np.float32)
    keep = np.zeros(len(votes), bool)
    for i, row in enumerate(clean):
        total, kept = row.sum(), np.zeros(10)
        while kept.sum() < 0.75 * total and (kept > 0).sum() < 3:
            best = np.flatnonzero((row == np.where(kept > 0, 0, row).max()) & (kept == 0))
            faces, others = best[best < UNKNOWN], best[best >= UNKNOWN]
            kept[faces] = row[faces]
            if others.size:
                kept[others] = row[others] if kept.sum() == 0 else 0
                break
        faces = kept[:UNKNOWN]
        if kept.argmax() < UNKNOWN and kept.sum() > 0.5 * total and (kept > 0).sum() <= 3 and faces.sum() > 0:
            targets[i], keep[i] = faces / faces.sum(), True
    return targets, keep
