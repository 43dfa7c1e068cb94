"""Faces on the frames between two key frames: interpolated, refined on every frame, searched for where that fails."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avfer.signal.cuts import thumbnail
from avfer.signal.geometry import best_pairs, drop_duplicates, match_boxes
from avfer.stages.frame_search import MIN_OVERLAP, Faces, SearchableFrames, part_inside

SURE_SCORE = 0.9  # a face of this score that appears or vanishes between key frames is worth a search
RETRIES = (0.85, 1.15)  # sizes of a box, relative to the expected one, from which a lost face is refined again
MAX_COVER = 0.6  # share of the smaller of two boxes that the other may cover
MIN_VISIBLE = 0.5  # share of a box inside the picture; faces of which less is inside are dropped
NEW_CHANGE = 40.0  # grey levels; blocks that differ by more from the first and the last frame may show another face
MAX_GROWTH = 1.5  # ratio of the sides of a face that moved between two key frames
MAX_SPEED = 1.0  # sides of a face that it moves from one frame to the next
IMPOSSIBLE = -1e6  # value of a pair that cannot be the same face
BLOCK = 4  # px of the thumbnail along each side of a block, some 40 px of a frame at 720p
SURROUNDINGS = 0.35  # sides of a box around it that may change as well, such as hair
PART_MARGIN = 0.25  # shorter sides of the frame that are searched around such blocks, at least


@dataclass(frozen=True)
class _Path:
    """The expected boxes of one face on the frames from `start` to `stop` (half-open)."""

    start: int
    stop: int
    boxes: np.ndarray  # (stop - start, 4) float32 xyxy px
    linked: bool  # the face was found on both key frames


@dataclass(frozen=True)
class _Link:
    """The faces of two key frames: those on both, row by row, and those on one of them only."""

    before: Faces  # N faces on the first key frame
    after: Faces  # the same N faces on the second one
    gone: Faces  # on the first one only
    new: Faces  # on the second one only

    @classmethod
    def between(cls, before: Faces, after: Faces) -> "_Link":
        """Link the faces that overlap by an IoU of at least MIN_OVERLAP."""
        pairs = match_boxes(before.boxes, after.boxes, MIN_OVERLAP)
        first, second = [i for i, _ in pairs], [j for _, j in pairs]
        gone = [i for i in range(len(before.boxes)) if i not in first]
        new = [j for j in range(len(after.boxes)) if j not in second]
        return cls(before.select(first), after.select(second), before.select(gone), after.select(new))

    def join(self, pairs: Sequence[tuple[int, int]]) -> "_Link":
        """Return the link in which each pair of faces, a row of `gone` and one of `new`, is on both key frames."""
        gone, new = [i for i, _ in pairs], [j for _, j in pairs]
        return _Link(
            self.before.extend(self.gone.select(gone)),
            self.after.extend(self.new.select(new)),
            self.gone.select(~np.isin(np.arange(len(self.gone.boxes)), gone)),
            self.new.select(~np.isin(np.arange(len(self.new.boxes)), new)),
        )

    def paths(self, start: int, stop: int) -> list[_Path]:
        """Return the expected paths of all faces from the frame of the first key frame to that of the second.

        Boxes of a face on both key frames are interpolated linearly; a face on one of them keeps its box.
        """
        share = (np.arange(stop - start, dtype=np.float32) / (stop - start))[:, None]
        pairs = zip(self.before.boxes, self.after.boxes, strict=True)
        paths = [_Path(start, stop, first * (1 - share) + last * share, linked=True) for first, last in pairs]
        paths += [_Path(start, stop, np.repeat(box[None], stop - start, 0), linked=False) for box in self.gone.boxes]
        if stop - start > 1:
            constant = np.ones((stop - start - 1, 1), np.float32)
            paths += [_Path(start + 1, stop, box[None] * constant, linked=False) for box in self.new.boxes]
        return paths


@dataclass
class IntervalFiller:
    """Finds the faces between two key frames; where that fails, it searches the middle frame and fills both halves.

    An object serves one pair of key frames, because `searches_left` counts down.
    """

    clip: SearchableFrames  # in which the frames are searched and faces refined
    min_score: float  # smallest score of a face after its refinement, in [0, 1]
    searches_left: int  # frames in the middle that may still be searched

    def fill(self, start: int, before: Faces, stop: int, after: Faces) -> list[Faces]:
        """Return the faces of each frame from `start` to `stop` (half-open), given those found on both of these.

        The interval is split in the middle if a face seems to move far between them, if a face with at least SURE_SCORE
        was found on one key frame only and its neighbour inside the interval shows the face as well, or if a face of
        both key frames is lost between them.
        """
        overlapping = _Link.between(before, after)
        link = self._link_moved(overlapping, start, stop)
        can_split = stop - start > 1 and self.searches_left > 0
        has_moved = len(link.before.boxes) > len(overlapping.before.boxes)
        if can_split and (has_moved or self._is_surprising(link, start, stop)):
            return self._split(start, before, stop, after)
        faces, lost = self._refine(link.paths(start, stop), start, stop)
        if lost and can_split:
            return self._split(start, before, stop, after)
        return faces

    def _link_moved(self, link: _Link, start: int, stop: int) -> _Link:
        """Link the faces of either key frame alone that moved between them too far to overlap, such as by a pan.

        Two such faces are one if both neighbours of the key frames show it on the straight way between its boxes.
        """
        if stop - start == 1:
            return link
        pairs = _moved_pairs(link.gone, link.new, stop - start)
        return link.join([pair for pair in pairs if self._is_on_way(link, pair, start, stop)])

    def _is_on_way(self, link: _Link, pair: tuple[int, int], start: int, stop: int) -> bool:
        """Return whether a search finds a face on both neighbours of the key frames, between two boxes of `link`."""
        first, last, share = link.gone.boxes[pair[0]], link.new.boxes[pair[1]], 1 / (stop - start)
        expected = {start + 1: first + share * (last - first), stop - 1: last + share * (first - last)}
        return all(self.clip.search_near(frame, box[None]) is not None for frame, box in expected.items())

    def _is_surprising(self, link: _Link, start: int, stop: int) -> bool:
        """Return whether the neighbour of a key frame shows a face with SURE_SCORE that this key frame alone has."""
        gone, new = (faces.select(faces.scores >= SURE_SCORE) for faces in (link.gone, link.new))
        return self.clip.has_any(start + 1, gone) or self.clip.has_any(stop - 1, new)

    def _split(self, start: int, before: Faces, stop: int, after: Faces) -> list[Faces]:
        """Search the frame in the middle and fill both halves."""
        self.searches_left -= 1
        middle = (start + stop) // 2
        found = self.clip.search(middle)
        return self.fill(start, before, middle, found) + self.fill(middle, found, stop, after)

    def _refine(self, paths: list[_Path], start: int, stop: int) -> tuple[list[Faces], bool]:
        """Return the faces of each frame, and whether one that was found on both key frames is not found between."""
        frames = np.concatenate([np.arange(path.start, path.stop) for path in paths] or [np.zeros(0, np.int64)])
        boxes = np.concatenate([path.boxes for path in paths] or [np.zeros((0, 4), np.float32)])
        linked = np.repeat(np.array([path.linked for path in paths], bool), [len(path.boxes) for path in paths])
        refined = self.clip.refine(frames, boxes)
        refined = self._retry(refined, boxes, frames, linked | (frames == start))
        good = (refined.scores >= self.min_score) & (self.clip.visible_share(frames, refined.boxes) >= MIN_VISIBLE)
        lost = bool((linked & ~good & (frames > start)).any())
        faces: list[Faces] = []
        for frame in range(start, stop):
            rows = np.flatnonzero(good & (frames == frame))
            keep = drop_duplicates(
                torch.from_numpy(refined.boxes[rows]), torch.from_numpy(refined.scores[rows]), MAX_COVER
            )
            faces.append(refined.select(rows[keep.numpy()]))
        return faces, lost

    def _retry(self, refined: Faces, boxes: np.ndarray, frames: np.ndarray, known: np.ndarray) -> Faces:
        """Refine faces below `min_score` again from boxes of other sizes, and return all faces with the best scores.

        refined: N faces; boxes: (N, 4) as expected; frames: (N,) int64; known: (N,) bool: a search found the face on
        this frame, or on both key frames.
        """
        rows = np.flatnonzero(known & (refined.scores < self.min_score))
        if not len(rows):
            return refined
        result = Faces(refined.boxes.copy(), refined.scores.copy(), refined.landmarks.copy())
        middle, half = (boxes[rows, :2] + boxes[rows, 2:]) / 2, (boxes[rows, 2:] - boxes[rows, :2]) / 2
        for share in RETRIES:
            other = np.concatenate([middle - share * half, middle + share * half], 1)
            again = self.clip.refine(frames[rows], other)
            better = again.scores > result.scores[rows]
            result.boxes[rows[better]] = again.boxes[better]
            result.scores[rows[better]] = again.scores[better]
            result.landmarks[rows[better]] = again.landmarks[better]
        return result


def interpolate_faces(
    clip: SearchableFrames, start: int, before: Faces, stop: int, after: Faces, step: int
) -> list[Faces] | None:
    """Return the faces on every `step`-th frame between two key frames, refined at interpolated boxes without a search.

    Return None if this could miss a face, so that these frames must be searched. That is so if

    - a face was found on one key frame only, and the neighbour of that key frame inside the interval shows it as well
      (if the neighbour does not, the face is left out: most such detections are false);
    - a face has a score below SURE_SCORE on any of the frames;
    - one of the frames may show a face that is on neither key frame.

    before, after: the faces on the frames `start` and `stop`, indices in the clip; step: in frames.
    """
    if stop - start <= step:
        return None
    if min([*before.scores, *after.scores], default=0.0) < SURE_SCORE:
        return None
    link = _Link.between(before, after)
    if clip.has_any(start + 1, link.gone) or clip.has_any(stop - 1, link.new):
        return None
    paths = [path for path in link.paths(start, stop) if path.linked]
    if not paths:
        return None
    wanted = np.arange(start + step, stop, step)
    frames, boxes = np.tile(wanted, len(paths)), np.concatenate([path.boxes[wanted - start] for path in paths])
    found = clip.refine(frames, boxes)
    if (found.scores < SURE_SCORE).any() or (clip.visible_share(frames, found.boxes) < MIN_VISIBLE).any():
        return None
    known = np.concatenate([link.before.boxes, found.boxes, link.after.boxes])
    ends = thumbnail(clip.picture(start)), thumbnail(clip.picture(stop - 1))
    faces = {frame: found.select(frames == frame) for frame in wanted.tolist()}
    parts = {frame: _changed_part(clip.picture(frame), ends, known) for frame in faces}
    return _searched_where_changed(clip, faces, parts)


def _searched_where_changed(
    clip: SearchableFrames, faces: dict[int, Faces], parts: dict[int, np.ndarray | None]
) -> list[Faces] | None:
    """Return the faces of some frames, searched for near their boxes if any frame has a part that changed.

    Such a part means that the picture moves, so that interpolation predicts the boxes less well. Return None if a
    search of the changed parts finds a face that is not among `faces`, or if a search near the boxes misses one.

    faces: refined at interpolated boxes; parts: (4,) xyxy px, None without a change; both by the index of the frame in
    the clip.
    """
    changed = {frame: part for frame, part in parts.items() if part is not None}
    if not changed:
        return list(faces.values())
    if any(clip.has_new_face(frame, part, faces[frame].boxes) for frame, part in changed.items()):
        return None
    near = [clip.search_near(frame, found.boxes) for frame, found in faces.items()]
    return None if any(found is None for found in near) else [found for found in near if found is not None]


def _changed_part(picture: Tensor, ends: tuple[np.ndarray, np.ndarray], known: np.ndarray) -> np.ndarray | None:
    """Return the part of a frame around all blocks that differ from both ends of the interval, except known faces.

    Return None if no block differs. picture: (H, W, 3) uint8; ends: thumbnails of the first and the last frame of the
    interval; known: (N, 4) xyxy px, boxes of faces -> (4,) int64 xyxy px inside the frame.
    """
    now = thumbnail(picture)
    rows, columns = now.shape[0] // BLOCK, now.shape[1] // BLOCK
    changes = [
        np.abs(now.astype(np.int16) - other).reshape(rows, BLOCK, columns, BLOCK * 3).mean((1, 3)) for other in ends
    ]
    changed = np.minimum(*changes) > NEW_CHANGE
    height, width = picture.shape[:2]
    margin = SURROUNDINGS * (known[:, 2:] - known[:, :2])
    corners = np.concatenate([known[:, :2] - margin, known[:, 2:] + margin], 1) / ([width, height] * 2)
    for left, top, right, bottom in corners.clip(0, 1) * [columns, rows, columns, rows]:
        changed[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = False
    if not changed.any():
        return None
    places = np.argwhere(changed)[:, ::-1] * np.array([width / columns, height / rows])
    first, last = places.min(0), places.max(0) + np.array([width / columns, height / rows])
    grown = max(PART_MARGIN * min(height, width), *(last - first))
    return part_inside(np.concatenate([first - grown, last + grown]), picture)


def _moved_pairs(gone: Faces, new: Faces, steps: int) -> list[tuple[int, int]]:
    """Return the rows of faces that may be the same one, moved: of similar size and not too far apart.

    gone, new: N and M faces of two frames that are `steps` frames apart -> at most min(N, M) pairs.
    """
    sides = [np.maximum((faces.boxes[:, 2:] - faces.boxes[:, :2]).max(1, initial=0), 1) for faces in (gone, new)]
    middles = [(faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 for faces in (gone, new)]
    distance = np.linalg.norm(middles[0][:, None] - middles[1], axis=2) / sides[0][:, None]  # in sides of the face
    growth = np.abs(np.log(sides[0][:, None] / sides[1]))
    possible = (growth <= math.log(MAX_GROWTH)) & (distance <= MAX_SPEED * steps)
    return [(i, j) for i, j in best_pairs(np.where(possible, -distance, IMPOSSIBLE)) if possible[i, j]]
