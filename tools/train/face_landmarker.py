"""Run the Face Landmarker, the teacher of face_lite, on pictures with one face.

The networks are those of MediaPipe's face_landmarker.task (Apache-2.0), run by ai-edge-litert. Each reads a square of
1.5 times the longer side of the face's landmarks, turned so that the eyes are level.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avfer.signal.geometry import warp

SIDE = 256  # px, input of the landmark network
ZOOM = 1.5  # side of its square, in longer sides of the landmarks' box
EYE_CORNERS = (33, 263)  # outer corners, the one further left first


class FaceLandmarker:
    """The networks for landmarks and blendshapes."""

    def __init__(self, task: Path, index: np.ndarray) -> None:
        """Load face_landmarker.task. index: (146,) numbers of the points that the blendshape network reads."""
        from ai_edge_litert.interpreter import Interpreter  # pyright: ignore

        self.index = index.astype(np.int64)
        with zipfile.ZipFile(task) as files:
            self._points, self._shapes = (
                Interpreter(model_content=files.read(f"{name}.tflite"), num_threads=1)
                for name in ("face_landmarks_detector", "face_blendshapes")
            )
        for network in (self._points, self._shapes):
            network.allocate_tensors()

    def __call__(self, picture: np.ndarray, guess: np.ndarray, passes: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return all 478 landmarks (478, 2) px, the blendshapes (52,) in [0, 1], and the logit of presence.

        picture: (H, W, 3) uint8 RGB; guess: two (2, 2) or more points (P, 2) px around the face, the first two of
        which lie on a level line; passes: how often the square is placed again.
        """
        pixels, points, level = torch.from_numpy(picture), guess, guess[:2]
        presence = 0.0
        for _ in range(passes):
            square = square_around(points, level)
            crop = warp(pixels, square, SIDE).numpy()[None].astype(np.float32) / 255
            outputs = _run(self._points, crop)
            flat = next(value for value in outputs if value.size == 3 * 478)
            presence = float(outputs[1].ravel()[0])
            points = flat.reshape(478, 3)[:, :2] @ square[:, :2].T + square[:, 2]
            level = points[list(EYE_CORNERS)]
        shapes = _run(self._shapes, points[self.index][None].astype(np.float32))[0]
        return points, shapes.ravel(), presence


def square_around(points: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the matrix (2, 3) from pixels of the network's input to pixels of the picture.

    points: (P, 2) px of the face; level: (2, 2) px, the ends of a line that becomes horizontal.
    """
    across = (level[1] - level[0]) / max(float(np.linalg.norm(level[1] - level[0])), 1e-6)
    axes = np.stack([across, [-across[1], across[0]]])  # rows: right and down in the square
    turned = points @ axes.T
    low, high = turned.min(0), turned.max(0)
    scale = ZOOM * float((high - low).max()) / SIDE
    centre = (low + high) / 2 @ axes
    matrix = axes.T * scale
    return np.c_[matrix, centre - matrix @ [SIDE / 2, SIDE / 2]]


def _run(network: Any, values: np.ndarray) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], values)
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]
