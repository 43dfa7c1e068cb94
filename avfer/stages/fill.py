"""Faces between two key frames: interpolated, read again on every frame, searched for where that fails."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.detectors.mtcnn import Mtcnn, drop_doubles
from avfer.signal.iou import match

SIDE = 48  # px, input of the refining network
SURE = 0.9  # a face of this score that appears or vanishes is worth a search in between
LINK_IOU = 0.3  # boxes of two key frames that belong together
DOUBLE = 0.6  # share of the smaller of two boxes that the other may cover


@dataclass(frozen=True)
class Faces:
    """Faces of one frame."""

    boxes: np.ndarray  # (N, 4) float32 xyxy px
    scores: np.ndarray  # (N,) float32 in [0, 1]
    landmarks: np.ndarray  # (N, 5, 2) float32 px; empty where only a search has been


def as_found(boxes: np.ndarray, scores: np.ndarray) -> Faces:
    """What a search gives: boxes (N, 4) and scores (N,), no landmarks yet."""
    return Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32))


@dataclass(frozen=True)
class Path:
    """Where one face should be on the frames start to stop (half-open)."""

    start: int
    stop: int
    boxes: np.ndarray  # (stop - start, 4) float32
    linked: bool  # seen on both key frames


@dataclass
class Filler:
    """Reads the frames between key frames; one is made for each open interval."""

    picture: Callable[[int], Tensor]  # (H, W, 3) uint8 RGB of a frame
    search: Callable[[int], Faces]  # the whole cascade on a frame
    network: Mtcnn
    min_score: float
    searches: int  # that may still be made

    def fill(self, start: int, before: Faces, stop: int, after: Faces) -> list[Faces]:
        """Faces of the frames start to stop (half-open), given what was found on both of these."""
        paths, surprise = _paths(start, before, stop, after)
        can_split = stop - start > 1 and self.searches > 0
        if surprise and can_split:
            return self._split(start, before, stop, after)
        faces, lost = self._read(paths, start, stop)
        if lost and can_split:
            return self._split(start, before, stop, after)
        return faces

    def _split(self, start: int, before: Faces, stop: int, after: Faces) -> list[Faces]:
        self.searches -= 1
        middle = (start + stop) // 2
        found = self.search(middle)
        return self.fill(start, before, middle, found) + self.fill(middle, found, stop, after)

    def _read(self, paths: list[Path], start: int, stop: int) -> tuple[list[Faces], bool]:
        """Faces of each frame, and whether a face that both key frames show was lost on the way."""
        frames = np.concatenate([np.arange(path.start, path.stop) for path in paths] or [np.zeros(0, np.int64)])
        boxes = np.concatenate([path.boxes for path in paths] or [np.zeros((0, 4), np.float32)])
        linked = np.repeat(np.array([path.linked for path in paths], bool), [len(path.boxes) for path in paths])
        read = refine(self.network, self.picture, frames, boxes)
        good = read.scores >= self.min_score
        lost = bool((linked & ~good & (frames > start)).any())
        faces: list[Faces] = []
        for frame in range(start, stop):
            rows = np.flatnonzero(good & (frames == frame))
            keep = drop_doubles(torch.from_numpy(read.boxes[rows]), torch.from_numpy(read.scores[rows]), DOUBLE)
            rows = rows[keep.numpy()]
            faces.append(Faces(read.boxes[rows], read.scores[rows], read.landmarks[rows]))
        return faces, lost


def refine(network: Mtcnn, picture: Callable[[int], Tensor], frames: np.ndarray, boxes: np.ndarray) -> Faces:
    """The last network on the square around each box, cut from the frame at full size.

    frames: (N,), boxes: (N, 4) -> Faces of N rows; a box outside the picture has score 0.
    """
    side = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    squares = np.concatenate([centre - side / 2, centre + side / 2], 1).astype(np.float32)
    scores = np.zeros(len(frames), np.float32)
    landmarks = np.zeros((len(frames), 5, 2), np.float32)
    crops = [_crop(picture(int(frame)), square) for frame, square in zip(frames, squares, strict=True)]
    rows = np.array([i for i, crop in enumerate(crops) if crop is not None], np.int64)
    if len(rows):
        batch = torch.cat([crop for crop in crops if crop is not None])
        chances, offsets, points = (t.cpu().numpy() for t in network.refine(batch))
        corner, length = squares[rows, None, :2], side[rows, None] + 1
        scores[rows] = chances
        landmarks[rows] = corner - 1 + points * length
        squares[rows] += offsets * (side[rows] + 1)
    return Faces(squares, scores, landmarks)


def _crop(picture: Tensor, square: np.ndarray) -> Tensor | None:
    """(1, 3, 48, 48) uint8: the part of a square that lies in the picture, stretched to the square."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (int(v) for v in np.clip(square, 0, [width, height, width, height]))
    if right - left < 4 or bottom - top < 4:
        return None
    part = picture[top:bottom, left:right].permute(2, 0, 1)[None]
    return F.interpolate(part, (SIDE, SIDE), mode="bilinear", antialias=True)


def _paths(start: int, before: Faces, stop: int, after: Faces) -> tuple[list[Path], bool]:
    """Where faces should be between two key frames, and whether a sure one is on one of them only."""
    pairs = match(before.boxes, after.boxes, LINK_IOU)
    share = (np.arange(stop - start, dtype=np.float32) / (stop - start))[:, None]
    paths = [Path(start, stop, before.boxes[i] * (1 - share) + after.boxes[j] * share, linked=True) for i, j in pairs]
    gone = [i for i in range(len(before.boxes)) if i not in {i for i, _ in pairs}]
    new = [j for j in range(len(after.boxes)) if j not in {j for _, j in pairs}]
    paths += [Path(start, stop, np.repeat(before.boxes[i][None], stop - start, 0), linked=False) for i in gone]
    if stop - start > 1:
        still = np.ones((stop - start - 1, 1), np.float32)
        paths += [Path(start + 1, stop, after.boxes[j][None] * still, linked=False) for j in new]
    surprise = bool((before.scores[gone] >= SURE).any() or (after.scores[new] >= SURE).any())
    return paths, surprise
