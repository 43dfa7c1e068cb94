"""face_landmarker: MediaPipe's Face Landmarker, which measures one face at a time.

The networks are those of the file face_landmarker.task (Google, Apache-2.0), which avfer does not ship; ai-edge-litert
runs them. The first network finds 478 points in a square of 1.5 times the longer side of their box, turned so that
the eyes are level. The second computes 52 blendshapes, the activations of facial movements, from 146 of the points.
Head rotation is that of the face mesh in the same file, fitted to the points as MediaPipe fits it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from avfer.errors import MissingExtra, WeightsError
from avfer.models.card import Card, Metric
from avfer.models.face_measurer import ACTION_UNITS, ACTIVATIONS, LANDMARK_INDEX, FaceMeasurer, FaceOutputs
from avfer.models.task_file import TaskFile, read_task
from avfer.models.weights import weight_file
from avfer.signal.geometry import ARCFACE, warp

SIDE = 256  # px, input of the first network
ZOOM = 1.5  # side of its square, in longer sides of the landmarks' box
EYE_CORNERS = (33, 263)  # outer corners, the one further left first
POINTS = 478  # that the first network finds; the last ten are the irises
# Outputs of the second network in order. The names are those of Apple's ARKit.
BLENDSHAPES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen"),
    *("jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
# Where the eyes, nose and mouth corners lie in a crop, as shares of its side: so that the box of the landmarks fills
# the middle half on average, and the square around a face that is turned by 45 degrees still lies in the crop.
TEMPLATE = tuple((round(0.5 + 0.604 * (x - 0.5), 4), round(0.5 + 0.604 * (y - 0.6345), 4)) for x, y in ARCFACE)
CROP_SIDE = 352  # px, so that the square has SIDE pixels or more
FIRST_BOX = np.array(
    [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
)  # of the landmarks, before the first pass
# Gaze in the head, fitted to renders with known gaze: degrees for a look of 1 to the side and up, and pitch at rest.
GAZE_YAW, GAZE_PITCH, GAZE_REST = 30.4, 23.3, 5.6
LIPS, HEIGHT = (13, 14), (10, 152)  # points: inner lips, forehead and chin
WIDE_OPEN = 0.211  # distance of the lips over the height of the face, 99.5 % quantile of photographs


OFFICIAL = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
PHOTOGRAPHS = "64 photographs of 160 px, against labels made by MediaPipe at their full size"
RENDERS = "rendered heads turned by less than 30 degrees, against their true angles"
CARD = Card(
    name="face_landmarker",
    task="landmarks, facial movements, head rotation and gaze of a face",
    description="MediaPipe's Face Landmarker, from a file that is not part of avfer. The activations are its"
    " blendshapes and no FACS intensities; au25 is the distance of the lips. The blendshapes for au06 and au09 stay"
    " near 0 on every face, so both are not measured; au05 and au14 hardly move, au15 is weak. The gaze follows from"
    " the blendshapes of the eyes. It must not be used to judge a person's character, honesty or health.",
    size=CROP_SIDE,
    template=list(TEMPLATE),
    measured=[f"AU{unit[2:]}" for unit in ACTION_UNITS if unit not in ("au06", "au09")],
    layout="networks of the authors; crops, head rotation and gaze are ours",
    data="not stated here; see the authors' model card",
    licence_weights="Apache-2.0",
    sources=["MediaPipe Face Landmarker, face_landmarker.task float16 version 1, sha256 " + OFFICIAL],
    metrics=[
        Metric(name="r with MediaPipe's own blendshapes, mean of 44", value=0.88, protocol=PHOTOGRAPHS),
        Metric(name="head yaw, mean absolute error in degrees", value=1.3, protocol=RENDERS),
        Metric(name="head pitch, mean absolute error in degrees", value=2.9, protocol=RENDERS),
        Metric(name="head roll, mean absolute error in degrees", value=0.9, protocol=RENDERS),
        Metric(name="gaze yaw, mean absolute error in degrees", value=6.3, protocol=f"{RENDERS}, open eyes"),
        Metric(name="gaze pitch, mean absolute error in degrees", value=8.0, protocol=f"{RENDERS}, open eyes"),
    ],
)


@dataclass(frozen=True, eq=False)
class LandmarkedFace:
    """What the two networks return for one face."""

    points: np.ndarray  # (478, 3) float64 px of the picture: x right, y down, z away from the viewer
    blendshapes: np.ndarray  # (52,) float32 in [0, 1], in the order of BLENDSHAPES
    presence: float  # logit: the square shows a face


class FaceLandmarker:
    """The two networks, for the use of one thread.

    They run in one thread and on one face at a time, so the values depend on nothing but the picture.
    task: the parts of face_landmarker.task.
    """

    def __init__(self, task: TaskFile) -> None:
        """Build the networks. Raises MissingExtra without ai-edge-litert, and WeightsError if they cannot be built."""
        interpreter = _interpreter()
        try:
            self._landmarks, self._blendshapes = (
                interpreter(model_content=content, num_threads=1) for content in (task.landmarks, task.blendshapes)
            )
            for network in (self._landmarks, self._blendshapes):
                network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise WeightsError(f"face_landmarker.task: a network cannot be read: {error}; download it again") from error

    def measure(self, picture: Tensor, guess: np.ndarray, passes: int = 2) -> LandmarkedFace:
        """Return the points and blendshapes of one face.

        picture: (H, W, 3) uint8 RGB; guess: two or more points (P, 2) px around the face, the first two of which lie
        on a level line; passes: how often the square is placed, at least once, always around the last points.
        """
        points, presence = self._locate(picture, square_around(guess, guess[:2]))
        for _ in range(passes - 1):
            square = square_around(points[:, :2], points[list(EYE_CORNERS), :2])
            points, presence = self._locate(picture, square)
        (shapes,) = _run(self._blendshapes, points[list(LANDMARK_INDEX), :2][None].astype(np.float32))
        return LandmarkedFace(points, shapes.ravel(), presence)

    def _locate(self, picture: Tensor, square: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the points (478, 3) px of the picture that lie in a square (2, 3), and the logit of presence."""
        crop = warp(picture, square, SIDE).numpy()[None].astype(np.float32) / 255
        outputs, presence, _ = _run(self._landmarks, crop)
        points = outputs.reshape(POINTS, 3).astype(np.float64)
        in_picture = points[:, :2] @ square[:, :2].T + square[:, 2]
        return np.c_[in_picture, points[:, 2] * np.hypot(*square[:, 0])], float(presence.ravel()[0])


def _interpreter() -> Any:
    """Return the class of ai-edge-litert that runs a network. Raises MissingExtra if it is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # pyright: ignore
    except ImportError as error:
        raise MissingExtra("network: face_landmarker", "ai-edge-litert", "mediapipe") from error
    return Interpreter


def _run(network: Any, values: np.ndarray) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], values)
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]


def square_around(points: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the matrix (2, 3) from pixels of the first network's input to pixels of the picture.

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


def head_rotation(points: np.ndarray, task: TaskFile) -> np.ndarray:
    """Return the matrix (3, 3) that turns a head that faces the viewer; x right, y up, z to the viewer.

    It is the rotation of the similarity transform with the least squared error from the mesh to the points, each
    weighted as the task file states (Umeyama, TPAMI 1991). points: (478, 3) px, x right, y down, z away.
    """
    found = points[task.basis] * [1, -1, -1]
    weights = task.weights[:, None]
    covariance = ((found - (weights * found).sum(0)) * weights).T @ (task.mesh - (weights * task.mesh).sum(0))
    left, _, right = np.linalg.svd(covariance)
    return left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right


def rotation_angles(rotation: np.ndarray) -> np.ndarray:
    """Return yaw, pitch and roll (3,) in degrees of a matrix (3, 3) that turns by pitch, then yaw, then roll.

    Yaw is positive when the head turns to the picture's right, pitch when it looks up, roll when it tilts clockwise.
    """
    yaw = np.arcsin(np.clip(-rotation[2, 0], -1, 1))
    pitch = -np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = -np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.degrees([yaw, pitch, roll])


class FaceLandmarkers(FaceMeasurer):
    """Measures crops with one FaceLandmarker for each thread of torch, on the CPU.

    task: the parts of face_landmarker.task.
    """

    def __init__(self, task: TaskFile) -> None:
        """Build the networks. Raises MissingExtra without ai-edge-litert, and WeightsError if they cannot be built."""
        self._task = task
        self._networks = [FaceLandmarker(task) for _ in range(torch.get_num_threads())]

    @classmethod
    def locate(cls, weights: str) -> tuple[Path, Card]:
        """Return the path of face_landmarker.task, and its card.

        weights: a path, or a URL with its sha256. Raises WeightsError if there is no such file or it is another one,
        and MissingExtra without ai-edge-litert.
        """
        _interpreter()
        if weights == "builtin":
            raise WeightsError(
                "face_landmarker has no weights in this package; set weights: to the path or the URL,"
                " with its sha256, of MediaPipe's face_landmarker.task"
            )
        path = weight_file(weights)
        read_task(path)
        return path, CARD

    @classmethod
    def load(cls, path: Path, card: Card, device: torch.device) -> Self:
        """Build the networks, which run on the CPU whatever the device. Raises WeightsError for a wrong file."""
        return cls(read_task(path))

    def outputs(self, crops: Tensor) -> FaceOutputs:
        """Return the measures of N crops, which depend on nothing but each crop.

        crops: (N, S, S, 3) uint8 RGB, aligned to TEMPLATE. Activations without a usable blendshape are NaN.
        """
        count, side = len(self._networks), crops.shape[1]

        def measure(first: int) -> list[LandmarkedFace]:
            return [self._networks[first].measure(crop, FIRST_BOX * side) for crop in crops[first::count]]

        with ThreadPoolExecutor(count, "avfer-landmarker") as pool:
            parts = list(pool.map(measure, range(count)))
        faces = [parts[number % count][number // count] for number in range(len(crops))]
        rotations = [head_rotation(face.points, self._task) for face in faces]
        return FaceOutputs(
            _stack([face.points[list(LANDMARK_INDEX), :2] / side for face in faces], len(LANDMARK_INDEX), 2),
            _stack([activations(face) for face in faces], len(ACTIVATIONS)),
            _stack([rotation_angles(rotation) for rotation in rotations], 3),
            _stack([gaze_angles(face, rotation) for face, rotation in zip(faces, rotations, strict=True)], 2),
            _stack([np.array(face.presence) for face in faces]),
        )


def _stack(rows: list[np.ndarray], *shape: int) -> Tensor:
    """Return rows as one tensor: N times `shape` -> (N, *shape) float32."""
    return torch.from_numpy(np.array(rows, np.float32).reshape(-1, *shape))


def activations(face: LandmarkedFace) -> np.ndarray:
    """Return the activations in the order of face_lite's ACTIVATIONS: (47,) float32.

    They are the blendshapes as the network states them. `lipsApart` is the distance of the inner lips over the height
    of the face, 1 where it is WIDE_OPEN or more. cheekRaise and noseWrinkle are NaN: the blendshapes next to them,
    cheekSquint and noseSneer, stay below 0.001 on every face, rendered faces that move so included.
    """
    known = dict(zip(BLENDSHAPES, face.blendshapes, strict=True))
    (upper, lower), (top, bottom) = face.points[list(LIPS), :2], face.points[list(HEIGHT), :2]
    gap = np.linalg.norm(upper - lower) / max(float(np.linalg.norm(top - bottom)), 1e-6)
    known["lipsApart"] = np.float32(min(gap / WIDE_OPEN, 1.0))
    return np.array([known.get(name, np.nan) for name in ACTIVATIONS], np.float32)


def gaze_angles(face: LandmarkedFace, rotation: np.ndarray) -> np.ndarray:
    """Return yaw and pitch (2,) of the gaze relative to the camera in degrees, from the blendshapes eyeLook*.

    rotation: (3, 3) of the head. On renders that were not used for the fit, the error is 6.3 degrees in yaw and 8.0
    in pitch on average.
    """
    look = dict(zip(BLENDSHAPES, face.blendshapes.astype(np.float64), strict=True))
    # The head's left is the picture's right.
    side = look["eyeLookOutLeft"] + look["eyeLookInRight"] - look["eyeLookInLeft"] - look["eyeLookOutRight"]
    up = look["eyeLookUpLeft"] + look["eyeLookUpRight"] - look["eyeLookDownLeft"] - look["eyeLookDownRight"]
    yaw, pitch = np.radians([GAZE_YAW * side / 2, GAZE_PITCH * up / 2 + GAZE_REST])
    x, y, z = rotation @ [np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)]
    return np.degrees([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))])
