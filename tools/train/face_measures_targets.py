"""Targets of face_lite: activations on one scale for photographs and renders, and what changes when a face is mirrored.

The teacher's blendshapes are stretched so that the 5 % quantile of the photographs becomes 0 and the 99.5 % quantile 1:
movements that it scores between 0 and 0.1 count as much as those between 0 and 1. Renders have the true weights of
their shapes, except for the lids that follow the gaze, which the teacher scores on renders as on photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from avfer.models.backbones.face_lite import SIDE
from avfer.models.face_measurer import ACTIVATIONS

OWN = ("cheekRaise", "noseWrinkle", "lipsApart")  # activations that are no blendshapes of the teacher
LOOKS = tuple(name for name in ACTIVATIONS if name.startswith("eyeLook"))
LOW, HIGH = 0.05, 0.995  # quantiles of the photographs that become 0 and 1
LIPS, HEIGHT = (13, 14), (10, 152)  # landmarks: inner lips, forehead and chin


@dataclass(frozen=True, eq=False)
class Scale:
    """Line that maps raw scores to activations: (raw - low) / (high - low)."""

    names: tuple[str, ...]  # the teacher's blendshapes that are live, then lipsApart
    low: np.ndarray  # (len(names),)
    high: np.ndarray

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """raw: (N, len(names)) -> activations (N, len(names))."""
        return (raw - self.low) / (self.high - self.low)


def lips_apart(landmarks: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the distance of the inner lips over the height of the face: (N, 146, 2) -> (N,)."""
    at = {int(point): column for column, point in enumerate(index)}
    upper, lower, top, bottom = (landmarks[:, at[point]] for point in (*LIPS, *HEIGHT))
    return np.linalg.norm(upper - lower, axis=1) / np.linalg.norm(top - bottom, axis=1).clip(1e-6)


def raw_scores(teacher: np.ndarray, landmarks: np.ndarray, names: Sequence[str], index: np.ndarray) -> np.ndarray:
    """Return the live blendshapes and lipsApart in the order of ACTIVATIONS: (N, 52), (N, 146, 2) -> (N, 45)."""
    columns = [list(names).index(name) for name in ACTIVATIONS if name not in OWN]
    return np.concatenate([teacher[:, columns], lips_apart(landmarks, index)[:, None]], 1)


def fit_scale(*groups: np.ndarray) -> Scale:
    """Return the scale of photographs; each group of raw scores (N, 45) counts the same."""
    low, high = (np.mean([np.nanquantile(group, share, axis=0) for group in groups], 0) for share in (LOW, HIGH))
    names = (*(name for name in ACTIVATIONS if name not in OWN), "lipsApart")
    return Scale(names, low, high)


def photograph_targets(raw: np.ndarray, scale: Scale) -> np.ndarray:
    """Return activations, NaN where the teacher knows none: (N, 45) -> (N, 47)."""
    targets = np.full((len(raw), len(ACTIVATIONS)), np.nan, np.float32)
    targets[:, [ACTIVATIONS.index(name) for name in scale.names]] = scale(raw)
    return targets


def shape_names(activation: str) -> list[str]:
    """Return the shapes of the ICT FaceKit whose weight an activation is: "browDownLeft" -> ["browDown_L"]."""
    if activation == "browInnerUp":
        return ["browInnerUp_L", "browInnerUp_R"]
    for end, short in (("Left", "_L"), ("Right", "_R")):
        if activation.endswith(end) and activation not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            return [activation.removesuffix(end) + short]
    return [activation]


def render_targets(raw: np.ndarray, truth: np.ndarray, shapes: Sequence[str], scale: Scale) -> np.ndarray:
    """Return activations of renders. raw: (N, 45), truth: (N, 55) weights of the shapes -> (N, 47)."""
    targets = photograph_targets(raw, scale)
    weights = {name: truth[:, column] for column, name in enumerate(shapes)}
    for column, name in enumerate(ACTIVATIONS):
        if name not in (*LOOKS, *OWN):
            targets[:, column] = np.mean([weights[shape] for shape in shape_names(name)], 0)
    cheeks = [np.maximum(weights[f"cheekRaiser_{side}"], weights[f"cheekSquint_{side}"]) for side in "LR"]
    targets[:, ACTIVATIONS.index("cheekRaise")] = np.mean(cheeks, 0)
    targets[:, ACTIVATIONS.index("noseWrinkle")] = (weights["noseSneer_L"] + weights["noseSneer_R"]) / 2
    return targets


def gaze_inputs(teacher: np.ndarray, landmarks: np.ndarray, rotation: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return what the gaze is estimated from: eye movements, landmarks and the head's rotation, (N, 304).

    teacher: (N, 52), landmarks: (N, 146, 2) px of the crop, rotation: (N, 3) degrees.
    """
    looks = teacher[:, [list(names).index(name) for name in LOOKS]]
    return np.concatenate([looks, in_crop(landmarks).reshape(len(looks), -1), rotation, np.ones((len(looks), 1))], 1)


def fit_gaze(inputs: np.ndarray, gaze: np.ndarray) -> np.ndarray:
    """Return the ridge regression from `gaze_inputs` of renders to their true gaze: (N, 304), (N, 2) -> (304, 2).

    On unseen renders it is 5 degrees off on average; it labels photographs, whose gaze nothing else states.
    """
    gram = inputs.T @ inputs + 1e-2 * np.eye(inputs.shape[1])
    return np.linalg.solve(gram, inputs.T @ gaze)


def mirrored_activations() -> list[int]:
    """Return for each activation the column of the one that it becomes in a mirrored picture."""
    swap = {"Left": "Right", "Right": "Left"}
    other = [
        next((name.removesuffix(end) + swap[end] for end in swap if name.endswith(end)), name) for name in ACTIVATIONS
    ]
    return [ACTIVATIONS.index(name) for name in other]


def mirrored_landmarks(landmarks: np.ndarray) -> list[int]:
    """Return for each of the points the column of the one that it becomes in a mirrored picture.

    landmarks: (N, 146, 2) px of many aligned faces; the mean face is symmetric enough to match its points.
    """
    mean = landmarks.mean(0)
    mirrored = mean * [-1, 1] + [2 * mean[:, 0].mean(), 0]
    distance = np.linalg.norm(mean[:, None] - mirrored[None], axis=2)
    return linear_sum_assignment(distance + distance.T)[1].tolist()


def in_crop(landmarks: np.ndarray) -> np.ndarray:
    """Return landmarks as shares of the crop's side: px -> shares."""
    return landmarks / SIDE


def teacher_names(data: Path) -> tuple[list[str], np.ndarray]:
    """Return the names of the teacher's blendshapes, and the numbers of its 146 points."""
    with np.load(data / "faces" / "faces.npz") as arrays:
        return [str(name) for name in arrays["names"]], arrays["landmark_index"].astype(np.int64)
