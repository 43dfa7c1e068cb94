"""Faces on the frames between two key frames: interpolated, refined on every frame, searched for where that fails."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.detector import Detector
from avfer.signal.cuts import thumbnail
from avfer.signal.exposure import brightened, gain
from avfer.signal.geometry import drop_duplicates, iou, match_boxes
from avfer.stages.detect import search, search_part

SURE_SCORE = 0.9  # a face of this score that appears or vanishes between key frames is worth a search
LINK_IOU = 0.3  # of boxes on two key frames that show the same face
MAX_COVER = 0.6  # share of the smaller of two boxes that the other may cover
MIN_VISIBLE = 0.5  # share of a box inside the picture; faces that left it further are dropped
NEW_CHANGE = 40.0  # grey levels, from both key frames, of a block of the thumbnail that may show another face
BLOCK = 4  # px of the thumbnail along each side of a block, some 40 px of a frame at 720p
SURROUNDINGS = 0.35  # sides of a box around it that may change as well, such as hair
PART_MARGIN = 0.25  # shorter sides of the frame that are searched around such blocks, at least
MIN_SIDE = 4  # px of a square inside the picture; smaller parts are not refined


@dataclass(frozen=True)
class Faces:
    """The faces of one frame, or of several frames with one row per frame and face."""

    boxes: np.ndarray  # (N, 4) float32 xyxy px
    scores: np.ndarray  # (N,) float32 in [0, 1]
    landmarks: np.ndarray  # (N, 5, 2) float32 px; 0 for faces that were searched for and not refined


def unrefined(boxes: np.ndarray, scores: np.ndarray) -> Faces:
    """Return the result of a search, whose faces have no landmarks yet.

    boxes: (N, 4) float32 xyxy px, scores: (N,) float32 -> N faces.
    """
    return Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32))


@dataclass(frozen=True)
class _Path:
    """The expected boxes of one face on the frames from `start` to `stop` (half-open)."""

    start: int
    stop: int
    boxes: np.ndarray  # (stop - start, 4) float32 xyxy px
    linked: bool  # the face was found on both key frames


@dataclass(frozen=True)
class SearchableFrames:
    """Frames by their index in the clip, and how they are searched for faces."""

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
        return bool((iou(boxes, known).max(1, initial=0) < LINK_IOU).any())

    def search_near(self, frame: int, known: np.ndarray) -> Faces | None:
        """Search a frame around each known box for a face of about its size; return None if one is not found.

        known: (N, 4) xyxy px -> N faces in the same order.
        """
        picture = self.picture(frame)
        boxes, scores = np.zeros((len(known), 4), np.float32), np.zeros(len(known), np.float32)
        for row, box in enumerate(known):
            side = float((box[2:] - box[:2]).max())
            part = _inside(np.concatenate([box[:2] - side / 2, box[2:] + side / 2]), picture)
            found, chances = search_part(self.detector, picture, part, max(self.min_size, side / 3), self.min_score)
            overlap = iou(box[None], found)[0]
            if overlap.max(initial=0) < LINK_IOU:
                return None
            boxes[row], scores[row] = found[overlap.argmax()], chances[overlap.argmax()]
        return unrefined(boxes, scores)


@dataclass
class KeyFrameInterval:
    """The frames between two key frames; it can be split by searching frames in the middle, `max_searches` times."""

    frames: SearchableFrames
    min_score: float  # smallest score of a face after its refinement, in [0, 1]
    max_searches: int

    def fill(self, start: int, before: Faces, stop: int, after: Faces) -> list[Faces]:
        """Return the faces of each frame from `start` to `stop` (half-open), given those found on both of these.

        The interval is split in the middle if a face with at least SURE_SCORE was found on one key frame only, or if
        a face of both key frames is lost on the way.
        """
        paths, surprise = _paths(start, before, stop, after)
        can_split = stop - start > 1 and self.max_searches > 0
        if surprise and can_split:
            return self._split(start, before, stop, after)
        faces, lost = self._refine(paths, start, stop)
        if lost and can_split:
            return self._split(start, before, stop, after)
        return faces

    def _split(self, start: int, before: Faces, stop: int, after: Faces) -> list[Faces]:
        """Search the frame in the middle and fill both halves."""
        self.max_searches -= 1
        middle = (start + stop) // 2
        found = self.frames.search(middle)
        return self.fill(start, before, middle, found) + self.fill(middle, found, stop, after)

    def _refine(self, paths: list[_Path], start: int, stop: int) -> tuple[list[Faces], bool]:
        """Return the faces of each frame, and whether a face of both key frames was lost between them."""
        frames = np.concatenate([np.arange(path.start, path.stop) for path in paths] or [np.zeros(0, np.int64)])
        boxes = np.concatenate([path.boxes for path in paths] or [np.zeros((0, 4), np.float32)])
        linked = np.repeat(np.array([path.linked for path in paths], bool), [len(path.boxes) for path in paths])
        picture = self.frames.picture
        refined = refine(self.frames.detector, picture, frames, boxes)
        good = (refined.scores >= self.min_score) & (_visible(refined.boxes, picture, frames) >= MIN_VISIBLE)
        lost = bool((linked & ~good & (frames > start)).any())
        faces: list[Faces] = []
        for frame in range(start, stop):
            rows = np.flatnonzero(good & (frames == frame))
            keep = drop_duplicates(
                torch.from_numpy(refined.boxes[rows]), torch.from_numpy(refined.scores[rows]), MAX_COVER
            )
            rows = rows[keep.numpy()]
            faces.append(Faces(refined.boxes[rows], refined.scores[rows], refined.landmarks[rows]))
        return faces, lost


def follow(clip: SearchableFrames, start: int, before: Faces, stop: int, after: Faces, step: int) -> list[Faces] | None:
    """Return the faces on every `step`-th frame between two key frames, refined where interpolation expects them.

    Return None if that could miss a face: unless each face is on both key frames and sure on all of these frames, and
    no other face is found where they show something that neither key frame shows. If they show such a thing, the
    picture moves, and each face is searched for in its surroundings, because the key frames say less about its place.
    """
    if stop - start <= step:
        return None
    paths, _ = _paths(start, before, stop, after)
    sure = min([*before.scores, *after.scores], default=0.0) >= SURE_SCORE
    if not sure or not all(path.linked for path in paths):
        return None
    marks = np.arange(start + step, stop, step)
    frames, boxes = np.tile(marks, len(paths)), np.concatenate([path.boxes[marks - start] for path in paths])
    found = refine(clip.detector, clip.picture, frames, boxes)
    if (found.scores < SURE_SCORE).any() or (_visible(found.boxes, clip.picture, frames) < MIN_VISIBLE).any():
        return None
    known = np.concatenate([before.boxes, found.boxes, after.boxes])
    faces = [Faces(found.boxes[frames == i], found.scores[frames == i], found.landmarks[frames == i]) for i in marks]
    ends = thumbnail(clip.picture(start)), thumbnail(clip.picture(stop - 1))
    parts = [_new_part(clip.picture(mark), ends, known) for mark in marks.tolist()]
    if all(part is None for part in parts):
        return faces
    for mark, part, shown in zip(marks.tolist(), parts, faces, strict=True):
        if part is not None and clip.has_new_face(mark, part, shown.boxes):
            return None
    near = [clip.search_near(mark, shown.boxes) for mark, shown in zip(marks.tolist(), faces, strict=True)]
    return None if any(found is None for found in near) else [found for found in near if found is not None]


def _new_part(picture: Tensor, others: tuple[np.ndarray, np.ndarray], known: np.ndarray) -> np.ndarray | None:
    """Return a part of a frame around all places, outside the known faces, that differ from both of two other frames.

    Return None if there is no such place. picture: (H, W, 3) uint8; others: thumbnails of two frames; known: (N, 4)
    xyxy px -> (4,) int64 xyxy px inside the frame.
    """
    now = thumbnail(picture)
    rows, columns = now.shape[0] // BLOCK, now.shape[1] // BLOCK
    changes = [
        np.abs(now.astype(np.int16) - other).reshape(rows, BLOCK, columns, BLOCK * 3).mean((1, 3)) for other in others
    ]
    new = np.minimum(*changes) > NEW_CHANGE
    height, width = picture.shape[:2]
    margin = SURROUNDINGS * (known[:, 2:] - known[:, :2])
    corners = np.concatenate([known[:, :2] - margin, known[:, 2:] + margin], 1) / ([width, height] * 2)
    for left, top, right, bottom in corners.clip(0, 1) * [columns, rows, columns, rows]:
        new[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = False
    if not new.any():
        return None
    places = np.argwhere(new)[:, ::-1] * np.array([width / columns, height / rows])
    first, last = places.min(0), places.max(0) + np.array([width / columns, height / rows])
    grown = max(PART_MARGIN * min(height, width), *(last - first))
    return _inside(np.concatenate([first - grown, last + grown]), picture)


def _inside(box: np.ndarray, picture: Tensor) -> np.ndarray:
    """Return the part of a box inside a frame.   (4,) xyxy px, (H, W, 3) -> (4,) int64"""
    return box.clip(0, [*picture.shape[1::-1]] * 2).astype(np.int64)


def refine(detector: Detector, picture: Callable[[int], Tensor], frames: np.ndarray, boxes: np.ndarray) -> Faces:
    """Refine the square around each box with the detector, cut from its frame at full resolution.

    frames: (N,) int64 indices in the clip; boxes: (N, 4) float32 xyxy px -> N faces in the same order. A box outside
    the picture gets score 0.
    """
    side = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    squares = np.concatenate([centre - side / 2, centre + side / 2], 1).astype(np.float32)
    scores = np.zeros(len(frames), np.float32)
    landmarks = np.zeros((len(frames), 5, 2), np.float32)
    size = detector.crop_size
    gains = {frame: gain(picture(frame)) for frame in set(frames.tolist())}
    crops = [
        _crop(picture(frame), square, size, gains[frame])
        for frame, square in zip(frames.tolist(), squares, strict=True)
    ]
    rows = np.array([i for i, crop in enumerate(crops) if crop is not None], np.int64)
    if len(rows):
        batch = torch.cat([crop for crop in crops if crop is not None])
        found, offsets, points = (t.cpu().numpy() for t in detector.refine(batch))
        corner, length = squares[rows, :2], side[rows] + detector.side_margin
        scores[rows] = found
        landmarks[rows] = corner[:, None] + detector.landmark_shift + points * length[:, None]
        squares[rows] += offsets * length
    return Faces(squares, scores, landmarks)


def _visible(boxes: np.ndarray, picture: Callable[[int], Tensor], frames: np.ndarray) -> np.ndarray:
    """Return the share of each box that lies inside its picture, in [0, 1].

    boxes: (N, 4) xyxy px; frames: (N,) int64 indices in the clip -> (N,) float64.
    """
    sizes = np.array([tuple(picture(int(frame)).shape[1::-1]) for frame in frames]).reshape(-1, 2)
    inside = (np.minimum(boxes[:, 2:], sizes) - np.maximum(boxes[:, :2], 0)).clip(0).prod(1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return inside / np.maximum(area, 1e-6)


def _crop(picture: Tensor, square: np.ndarray, size: int, factor: float) -> Tensor | None:
    """Return the part of a square that lies in the picture, stretched to the crop; None if that part is too small.

    picture: (H, W, 3) uint8, square: (4,) xyxy px, factor: of the brightness -> (1, 3, size, size) uint8.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = (int(v) for v in np.clip(square, 0, [width, height, width, height]))
    if right - left < MIN_SIDE or bottom - top < MIN_SIDE:
        return None
    part = brightened(picture[top:bottom, left:right], factor).permute(2, 0, 1)[None]
    return F.interpolate(part, (size, size), mode="bilinear", antialias=True)


def _paths(start: int, before: Faces, stop: int, after: Faces) -> tuple[list[_Path], bool]:
    """Return the expected paths of the faces of two key frames, and whether a sure face is on one of them only.

    Boxes of a face on both key frames are interpolated linearly; a face on one of them keeps its box.
    """
    pairs = match_boxes(before.boxes, after.boxes, LINK_IOU)
    share = (np.arange(stop - start, dtype=np.float32) / (stop - start))[:, None]
    paths = [_Path(start, stop, before.boxes[i] * (1 - share) + after.boxes[j] * share, linked=True) for i, j in pairs]
    gone = [i for i in range(len(before.boxes)) if i not in {i for i, _ in pairs}]
    new = [j for j in range(len(after.boxes)) if j not in {j for _, j in pairs}]
    paths += [_Path(start, stop, np.repeat(before.boxes[i][None], stop - start, 0), linked=False) for i in gone]
    if stop - start > 1:
        constant = np.ones((stop - start - 1, 1), np.float32)
        paths += [_Path(start + 1, stop, after.boxes[j][None] * constant, linked=False) for j in new]
    surprise = bool((before.scores[gone] >= SURE_SCORE).any() or (after.scores[new] >= SURE_SCORE).any())
    return paths, surprise
