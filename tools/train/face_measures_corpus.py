"""Training and test faces of face_lite, with their targets, from the crops of tools.train.face_measures_data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tools.train.face_measures_augment import Targets
from tools.train.face_measures_targets import (
    Scale,
    fit_gaze,
    fit_scale,
    gaze_inputs,
    in_crop,
    mirrored_landmarks,
    photograph_targets,
    raw_scores,
    render_targets,
    teacher_names,
)

HELD_OUT = 5  # one in so many persons of the larger photographs is never trained on
TEST_RENDERS = 9000  # shards from this number on are never trained on
FIT_RENDERS = 3  # shards of renders that the gaze of photographs is estimated with


@dataclass(frozen=True, eq=False)
class Faces:
    """Crops with margin and their targets."""

    pixels: Tensor  # (N, 120, 120, 1 or 3) uint8
    targets: Targets

    def rows(self, rows: np.ndarray) -> "Faces":
        """Return some of the faces, by their row numbers or a mask."""
        at = torch.from_numpy(np.flatnonzero(rows) if rows.dtype == bool else rows)
        return Faces(self.pixels[at], Targets(**{name: value[at] for name, value in vars(self.targets).items()}))


def read_shards(folder: Path, numbers: range = range(10**6)) -> dict[str, np.ndarray]:
    """Return the arrays of the shards of a folder whose numbers are in a range, joined."""
    paths = [path for path in sorted(folder.glob("[0-9]*[0-9].npz")) if int(path.stem) in numbers]
    parts = [dict(np.load(path)) for path in paths]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def to_faces(arrays: dict[str, np.ndarray], activations: np.ndarray, channels: int) -> Faces:
    """Return faces of the arrays of shards; channels: 1 for grey pictures, 3 for colour."""
    landmarks, rotation, gaze = (
        torch.from_numpy(value).float() for value in (in_crop(arrays["landmarks"]), arrays["pose"], arrays["gaze"])
    )
    pixels = torch.from_numpy(arrays["pixels"][..., :channels])
    targets = Targets(landmarks, torch.from_numpy(activations).float(), rotation, gaze, torch.ones(len(pixels)))
    return Faces(pixels, targets)


class Corpus:
    """All faces to train on, those held out, and the scale of their targets."""

    def __init__(self, crops: Path, data: Path) -> None:
        """crops: folder of the shards; data: folder with the face data, for the names of the teacher's outputs."""
        self._crops = crops
        self.names, self.index = teacher_names(data)
        with np.load(data / "ict_facekit" / "ict_facekit.npz") as arrays:
            self.shapes = [str(name) for name in arrays["expression_names"]]
        photographs, grey = read_shards(crops / "faces"), read_shards(crops / "ferplus_train")
        gaze = self._gaze(read_shards(crops / "renders", range(FIT_RENDERS)))
        for arrays in (photographs, grey):
            arrays["gaze"] = self._gaze_inputs(arrays) @ gaze
        persons = photographs["person"]
        held = persons % HELD_OUT == 0
        raw = [self._raw(arrays) for arrays in (photographs, grey)]
        self.scale: Scale = fit_scale(raw[0][~held], raw[1])
        faces = to_faces(photographs, photograph_targets(raw[0], self.scale), 3)
        self.photographs, self.held_out = faces.rows(~held), faces.rows(held)
        self.ferplus = to_faces(grey, photograph_targets(raw[1], self.scale), 1)
        self.mirrored = mirrored_landmarks(photographs["landmarks"])

    def _raw(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        return raw_scores(arrays["teacher"], arrays["landmarks"], self.names, self.index)

    def _gaze_inputs(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        return gaze_inputs(arrays["teacher"], arrays["landmarks"], arrays["pose"], self.names)

    def _gaze(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        blinks = [self.shapes.index(name) for name in ("eyeBlink_L", "eyeBlink_R")]
        opened = arrays["truth"][:, blinks].max(1) < 0.5
        return fit_gaze(self._gaze_inputs(arrays)[opened], arrays["gaze"][opened])

    def num_shards(self) -> int:
        """Return how many shards of renders there are."""
        return len(list((self._crops / "renders").glob("[0-9]*[0-9].npz")))

    def renders(self, numbers: range) -> Faces:
        """Return the renders of the shards with these numbers."""
        arrays = read_shards(self._crops / "renders", numbers)
        return self.to_renders(arrays)

    def to_renders(self, arrays: dict[str, np.ndarray]) -> Faces:
        """Return renders of the arrays of shards."""
        activations = render_targets(self._raw(arrays), arrays["truth"], self.shapes, self.scale)
        return to_faces(arrays, activations, 3)
