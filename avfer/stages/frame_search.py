"""Faces on single frames: searched for in whole frames or parts of them, or refined where they are expected."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.detector import Detector
from avfer.signal.exposure import brightened, gain
from avfer.signal.geometry import iou
from avfer.stages.detect import search, search_part

MIN_OVERLAP = 0.3  # IoU of two boxes that show the same face
MIN_SIDE = 4  # px of a square inside the picture; smaller parts are not refined


@dataclass(frozen=True)
class Faces:
    """The faces of one frame, or of several frames with one row per frame and face."""

    boxes: np.ndarray  # (N, 4) float32 xyxy px
    scores: np.ndarray  # (N,) float32 in [0, 1]
    landmarks: np.ndarray  # (N, 5, 2) float32 px; 0 for faces that were searched for and not refined

    def select(self, rows: np.ndarray | list[int]) -> "Faces":
        """Return some of the faces.   rows: indices, or (N,) bool"""
        return Faces(self.boxes[rows], self.scores[rows], self.landmarks[rows])

    def extend(self, other: "Faces") -> "Faces":
        """Return these faces and then those of another struct."""
        pairs = ((self.boxes, other.boxes), (self.scores, other.scores), (self.landmarks, other.landmarks))
        return Faces(*(np.concatenate(pair) for pair in pairs))


def unrefined(boxes: np.ndarray, scores: np.ndarray) -> Faces:
    """Return the result of a search, whose faces have no landmarks yet.

    boxes: (N, 4) float32 xyxy px, scores: (N,) float32 -> N faces.
    """
    return Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32))


@dataclass(frozen=True)
class SearchableFrames:
    """Frames of a clip by their index, and the detector that searches them for faces and refines these."""

    picture: Callable[[int], Tensor]  # pixels of a frame: (H, W, 3) uint8 RGB
    detector: Detector  # that searches a whole frame or a part of it
    min_size: float  # px, smallest face
    min_score: float  # smallest score of a face that is searched for, in [0, 1]

    def search(self, frame: int) -> Faces:
        """Return the faces of a whole frame."""
        return unrefined(*search(self.detector, self.picture(frame), self.min_size, self.min_score))

    def has_new_face(self, frame: int, part: np.ndarray, known: np.ndarray) -> bool:
        """Return whether a search of a part of a frame finds a face that none of the known boxes overlaps.

        part: (4,) int64 xyxy px inside the frame; known: (N, 4) xyxy px.
        """
        boxes, _ = search_part(self.detector, self.picture(frame), part, self.min_size, self.min_score)
        return bool((iou(boxes, known).max(1, initial=0) < MIN_OVERLAP).any())

    def search_near(self, frame: int, known: np.ndarray) -> Faces | None:
        """Search a frame around each known box for a face of about its size; return None if one is not found.

        known: (N, 4) xyxy px -> N faces in the same order.
        """
        picture = self.picture(frame)
        boxes, scores = np.zeros((len(known), 4), np.float32), np.zeros(len(known), np.float32)
        for row, box in enumerate(known):
            side = float((box[2:] - box[:2]).max())
            part = part_inside(np.concatenate([box[:2] - side / 2, box[2:] + side / 2]), picture)
            near, near_scores = search_part(self.detector, picture, part, max(self.min_size, side / 3), self.min_score)
            overlap = iou(box[None], near)[0]
            if overlap.max(initial=0) < MIN_OVERLAP:
                return None
            boxes[row], scores[row] = near[overlap.argmax()], near_scores[overlap.argmax()]
        return unrefined(boxes, scores)

    def has_any(self, frame: int, faces: Faces) -> bool:
        """Return whether a search near their boxes finds one of the faces of a neighbouring frame."""
        return any(self.search_near(frame, box[None]) is not None for box in faces.boxes)

    def refine(self, frames: np.ndarray, boxes: np.ndarray) -> Faces:
        """Refine the square around each box with the detector, cut from its frame at full resolution.

        frames: (N,) int64 indices in the clip; boxes: (N, 4) float32 xyxy px -> N faces in the same order. A box
        outside the picture gets score 0.
        """
        side = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
        centre = (boxes[:, 2:] + boxes[:, :2]) / 2
        squares = np.concatenate([centre - side / 2, centre + side / 2], 1).astype(np.float32)
        scores = np.zeros(len(frames), np.float32)
        landmarks = np.zeros((len(frames), 5, 2), np.float32)
        size = self.detector.crop_size
        gains = {frame: gain(self.picture(frame)) for frame in set(frames.tolist())}
        crops = [
            _crop(self.picture(frame), square, size, gains[frame])
            for frame, square in zip(frames.tolist(), squares, strict=True)
        ]
        rows = np.array([i for i, crop in enumerate(crops) if crop is not None], np.int64)
        if len(rows):
            batch = torch.cat([crop for crop in crops if crop is not None])
            found, offsets, points = (t.cpu().numpy() for t in self.detector.refine(batch))
            corner, length = squares[rows, :2], side[rows] + self.detector.side_margin
            scores[rows] = found
            landmarks[rows] = corner[:, None] + self.detector.landmark_shift + points * length[:, None]
            squares[rows] += offsets * length
        return Faces(squares, scores, landmarks)

    def visible_share(self, frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Return the share of each box that lies inside its picture, in [0, 1].

        frames: (N,) int64 indices in the clip; boxes: (N, 4) xyxy px -> (N,) float64.
        """
        sizes = np.array([tuple(self.picture(int(frame)).shape[1::-1]) for frame in frames]).reshape(-1, 2)
        visible = (np.minimum(boxes[:, 2:], sizes) - np.maximum(boxes[:, :2], 0)).clip(0).prod(1)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        return visible / np.maximum(area, 1e-6)


def _crop(picture: Tensor, square: np.ndarray, size: int, factor: float) -> Tensor | None:
    """Return the crop of a square, black where it lies outside the picture; None if the part inside is too small.

    The crop keeps its proportions at the border, so that offsets and landmarks found in it are those of the square.

    picture: (H, W, 3) uint8, square: (4,) xyxy px, factor: of the brightness -> (1, 3, size, size) uint8.
    """
    left, top, right, bottom = part_inside(square, picture).tolist()
    if right - left < MIN_SIDE or bottom - top < MIN_SIDE:
        return None
    whole = square.astype(np.int64).tolist()
    part = brightened(picture[top:bottom, left:right], factor).permute(2, 0, 1)[None]
    part = F.pad(part, (left - whole[0], whole[2] - right, top - whole[1], whole[3] - bottom))
    return F.interpolate(part, (size, size), mode="bilinear", antialias=True)


def part_inside(box: np.ndarray, picture: Tensor) -> np.ndarray:
    """Return the part of a box inside a frame.   (4,) xyxy px, (H, W, 3) -> (4,) int64"""
    return box.clip(0, [*picture.shape[1::-1]] * 2).astype(np.int64)
