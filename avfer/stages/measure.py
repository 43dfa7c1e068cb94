"""measure_faces: landmarks, action units, head pose, gaze, eye closure and quality of every face."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.catalog import find
from avfer.errors import ConfigError
from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.models.card import Card
from avfer.models.engine import Engine, choose_engine
from avfer.models.face_measurer import ACTION_UNITS, ACTIVATIONS, NUM_LANDMARKS, FaceMeasurer, FaceOutputs, action_units
from avfer.models.weights import sha256
from avfer.option_types import option_errors
from avfer.rows import concat, no_faces
from avfer.signal.geometry import inverse, similarity, warp
from avfer.stages.buffers import split_blocks
from avfer.types import FaceCrops, FaceTracks

BATCH = 32  # faces in one forward pass
LIDS = tuple(ACTIVATIONS.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight"))
# Crops that the quality is read from: those of face_lite, whatever the crops of the network in use.
QUALITY_SIDE = 96  # px
QUALITY_TEMPLATE = ((0.364, 0.42), (0.6346, 0.4185), (0.5002, 0.5739), (0.389, 0.7323), (0.6131, 0.731))
# Where each part of the quality is 0 and 1; linear between, see `quality`.
SIZE = (20.0, 80.0)  # px, shorter side of the face's box
SHARPNESS = (0.010, 0.024)  # 95 % of crops of 96 px that were enlarged from 16 px, from 48 px, are sharper
CONTRAST = (2.0, 12.0)  # standard deviation of the luma of the inner face, in [0, 255]; 0.1 % of lit faces are below 12
NOISE = (0.3, 0.08)  # standard deviation of the noise over that of the luma; 0.1 % of lit faces are above 0.08
SIDEWAYS = (60.0, 30.0)  # degrees, absolute yaw
SCORE = (0.5, 0.95)  # of the detector
VISIBLE = (0.1, 0.7)  # probability that the mouth, that the eyes are visible
INNER = ((0.25, 0.875), (0.1875, 0.8125))  # rows and columns of the inner face, in shares of the crop's side


@dataclass
class MeasureFaces:
    """Measure every face with a network, such as the embedded `face_lite`.

    Landmarks, roll and gaze are turned from the crop back to the picture. Action units are activations: 0 at rest, 1
    for the strongest movement of the photographs that the network was trained on; they are no FACS intensities. Units
    that the card does not name as measured are null.
    """

    network: str = "face_lite"  # name in the catalog, or "package.module:Name" of a FaceMeasurer
    weights: str = "builtin"  # "builtin", a path, or a URL with its sha256
    engine: Engine = "torch"  # what runs the network: torch, or onnx (ONNX Runtime) on a CPU, if the network allows it
    engine_used: Engine = field(default="torch", init=False, repr=False)  # set by load()
    card: Card = field(init=False, repr=False)
    _path: Path = field(init=False, repr=False)
    _measurer: FaceMeasurer | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        with option_errors("network"):
            kind: type[FaceMeasurer] = find("face measurer", self.network)
        self._path, self.card = kind.locate(self.weights)
        if self.card.size is None or len(self.card.template) != 5:
            raise ConfigError(f"network: the card of {self.network} must state size and template of the crops")

    def files(self) -> dict[str, str]:
        """Return the sha256 of the weight file by its name."""
        return {self._path.name: sha256(self._path)}

    def load(self, device: torch.device) -> None:
        """Load the network on a device."""
        kind: type[FaceMeasurer] = find("face measurer", self.network)
        self._measurer = kind.load(self._path, self.card, device)
        self.engine_used = choose_engine(self._measurer, self.engine, device)

    def start(self) -> FaceCrops | None:
        """Return the state before the first frame: no crop waits for its block."""
        return None

    @torch.inference_mode()
    def step(self, state: FaceCrops | None, faces: FaceCrops) -> tuple[FaceCrops | None, FaceMeasures]:
        """Return the measures of whole blocks of frames; the crops of an incomplete block wait in the state."""
        whole, rest = split_blocks(state, faces)
        if not whole:
            return rest, no_measures(no_faces(rest.clock.part(rest.clock.first, rest.clock.first)))
        return rest, concat([self._measure(block) for block in whole])

    def _measure(self, crops: FaceCrops) -> FaceMeasures:
        assert self._measurer is not None, "load() must be called first"
        if not len(crops.faces):
            return no_measures(crops.faces)
        parts = [vars(self._measurer.outputs(part)).values() for part in crops.pixels.split(BATCH)]
        return to_measures(crops, FaceOutputs(*map(torch.cat, zip(*parts, strict=True))), self.card)


def no_measures(faces: FaceTracks) -> FaceMeasures:
    """Return the measures of no face. faces: 0 rows."""
    shapes = (0, NUM_LANDMARKS, 2), (0, len(MEASURED_UNITS)), (0, len(MEASURES))
    return FaceMeasures(faces, *(np.zeros(shape, np.float32) for shape in shapes))


def to_measures(crops: FaceCrops, outputs: FaceOutputs, card: Card) -> FaceMeasures:
    """Return measures in the picture from outputs in the crop. card: states the measured units."""
    back = inverse(crops.to_crop)
    points = outputs.landmarks.double().numpy() * crops.pixels.shape[1]
    landmarks = points @ back[:, :, :2].transpose(0, 2, 1) + back[:, None, :, 2]
    cosine, sine = crops.to_crop[:, 0, 0], crops.to_crop[:, 1, 0]
    turn = np.degrees(np.arctan2(sine, cosine))  # clockwise, of the picture in the crop
    pose = outputs.rotation.double().numpy()
    pose = np.c_[pose[:, :2], (pose[:, 2] - turn + 180) % 360 - 180]
    gaze = turn_back(outputs.gaze.double().numpy(), turn)
    closed = outputs.activations[:, LIDS].numpy().min(1).clip(0, 1)
    values = np.c_[pose, gaze, closed, quality(quality_crops(crops), pose[:, 0], outputs)]
    return FaceMeasures(crops.faces, landmarks.astype(np.float32), _units(outputs, card), values.astype(np.float32))


def _units(outputs: FaceOutputs, card: Card) -> np.ndarray:
    """Return the activations of MEASURED_UNITS, NaN for those that the card does not name: (N, 22) float32."""
    known = dict(zip(ACTION_UNITS, action_units(outputs.activations).numpy().T, strict=True))
    missing = np.full(len(outputs.presence), np.nan, np.float32)
    columns = [known.get(unit.lower(), missing) if unit in card.measured else missing for unit in MEASURED_UNITS]
    return np.stack(columns, 1).clip(0, 1).astype(np.float32)


def turn_back(gaze: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return the gaze in the picture from that in a crop in which the picture is turned clockwise by `turn`.

    gaze: (N, 2) yaw, pitch; turn: (N,), all in degrees -> (N, 2) degrees.
    """
    yaw, pitch = np.radians(gaze).T
    x, y, z = np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    x, y = c * x - s * y, s * x + c * y
    return np.degrees(np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], 1))


def quality_crops(crops: FaceCrops) -> FaceCrops:
    """Return the same faces in crops of QUALITY_SIDE and QUALITY_TEMPLATE, which the limits of the quality are for.

    Sharpness, contrast and noise depend on the size of a crop and on the part of the face that it shows.
    """
    to_crop = similarity(crops.faces.landmarks, QUALITY_SIDE * np.array(QUALITY_TEMPLATE))
    if crops.pixels.shape[1] == QUALITY_SIDE and np.allclose(to_crop, crops.to_crop):
        return crops
    back = inverse(to_crop)
    turn, shift = crops.to_crop[:, :, :2], crops.to_crop[:, :, 2:]
    placed = np.concatenate([turn @ back[:, :, :2], turn @ back[:, :, 2:] + shift], 2)  # (N, 2, 3), in the given crops
    pixels = [warp(crop, place, QUALITY_SIDE) for crop, place in zip(crops.pixels, placed, strict=True)]
    return FaceCrops(crops.faces, torch.stack(pixels), to_crop)


def quality(crops: FaceCrops, yaw: np.ndarray, outputs: FaceOutputs) -> np.ndarray:
    """Return how far each face can be measured, in [0, 1]: the lowest of its parts.

    The parts are the size of the face's box, its sharpness, contrast (low in the dark) and noise, its turn to the side,
    the score of the detector, and how likely the mouth and the eyes are visible, each 0 and 1 at the values above and
    linear between; and the network's probability that the crop shows a face. crops: as `quality_crops` returns them;
    yaw: (N,) degrees -> (N,) float64.
    """
    boxes, scores = crops.faces.boxes.astype(np.float64), crops.faces.scores.astype(np.float64)
    shorter = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    luma = inner_luma(crops.pixels)
    sharp = sharpness(luma).double().numpy()
    contrast, noise = (values.double().numpy() for values in contrast_and_noise(luma))
    visible = _ramp(_sigmoid(outputs.visible), VISIBLE)
    parts = [_ramp(shorter, SIZE), _ramp(sharp, SHARPNESS), _ramp(contrast, CONTRAST), _ramp(noise, NOISE)]
    parts += [_ramp(np.abs(yaw), SIDEWAYS), _ramp(scores, SCORE), *visible.T, _sigmoid(outputs.presence)]
    return np.min(parts, 0)


def _sigmoid(logits: Tensor) -> np.ndarray:
    """Return probabilities as float64, whose last bits do not depend on the batch: (...) -> (...)."""
    return 1 / (1 + np.exp(-logits.double().numpy().clip(-50, 50)))


def _ramp(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Return 0 at the first end, 1 at the second, linear between and constant beyond."""
    return ((values - ends[0]) / (ends[1] - ends[0])).clip(0, 1)


def inner_luma(pixels: Tensor) -> Tensor:
    """Return the luma of the inner face, without background: (N, S, S, 3) uint8 -> (N, R, C) float32 in [0, 255]."""
    rows, columns = (slice(*(round(share * pixels.shape[1]) for share in ends)) for ends in INNER)
    red, green, blue = pixels[:, rows, columns].float().unbind(3)
    return (red + green + blue) / 3


def _deviation(luma: Tensor) -> Tensor:
    """Return the standard deviation of each picture, much faster than Tensor.std: (N, R, C) -> (N,)."""
    pixels = luma.flatten(1)
    return torch.linalg.vector_norm(pixels - pixels.mean(1, keepdim=True), dim=1) / math.sqrt(pixels.shape[1] - 1)


def sharpness(luma: Tensor) -> Tensor:
    """Return the mean absolute Laplacian over the standard deviation, which contrast does not change.

    luma: (N, R, C) in [0, 255] -> (N,) float32; 0 for a picture of one colour.
    """
    inner = luma[:, 1:-1, 1:-1]
    neighbours = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    return (neighbours / 4 - inner).abs().mean((1, 2)) / _deviation(luma).clamp(min=1e-3)


def contrast_and_noise(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the standard deviation, and the share of it that is noise.

    The noise is that of Immerkaer, Fast Noise Variance Estimation, Computer Vision and Image Understanding 64(2), 1996:
    the mean absolute response to a mask that edges and slopes hardly excite.

    luma: (N, R, C) in [0, 255] -> (N,) float32 in [0, 128]; (N,) float32 >= 0, 0 for a picture of one colour.
    """
    across = luma[:, 2:] - 2 * luma[:, 1:-1] + luma[:, :-2]
    both = across[:, :, 2:] - 2 * across[:, :, 1:-1] + across[:, :, :-2]
    contrast = _deviation(luma)
    return contrast, math.sqrt(math.pi / 2) / 6 * both.abs().mean((1, 2)) / contrast.clamp(min=1e-3)
