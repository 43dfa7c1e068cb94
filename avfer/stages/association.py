"""Associate the faces of a frame with the tracks of the frames before, at any frame rate."""

from dataclasses import dataclass

import numpy as np

from avfer.signal.appearance import Appearance, likeness
from avfer.signal.cuts import Change
from avfer.signal.geometry import best_pairs, iou

MIN_LIKENESS = {Change.MOTION: 1.45, Change.SUSPECT: 1.82, Change.CUT: 1.82}  # of a face that continues a track
FAR_LIKENESS = 0.1  # more is required of a face that does not overlap the expected box
CUT_IOU = 0.5  # overlap from which on a face that looks the same continues its track across a cut
SPEED = 4.0  # sides of the box that a face may move in a second, beyond its steady motion
MAX_REACH = 1.5  # sides of the box that it may move at most, whatever the time
MAX_GROWTH = 1.7  # factor by which a box may grow or shrink
STEADY = 0.25  # s, longest time over which the motion of a track is extrapolated


@dataclass(frozen=True)
class Track:
    """The last known face of a person, and its motion."""

    id: int  # number of the track
    box: np.ndarray  # (4,) float32 xyxy px
    velocity: np.ndarray  # (2,) float32 px/s of the box's centre
    frame: int  # index in the clip
    time: float  # s
    appearance: Appearance  # of the face

    def expected(self, time: float) -> np.ndarray:
        """Return the box at a time (s), moved by the velocity for at most STEADY seconds: (4,) float64 xyxy px."""
        return self.box + np.tile(self.velocity, 2) * min(time - self.time, STEADY)

    def moved(self, box: np.ndarray, frame: int, time: float, appearance: Appearance) -> "Track":
        """Return the track with its face on a later frame. box: (4,) xyxy px; time: s."""
        steps = _centre(box) - _centre(self.box)
        velocity = (steps / max(time - self.time, 1e-3)).astype(np.float32)
        return Track(self.id, box, velocity, frame, time, appearance)


def new_track(number: int, box: np.ndarray, frame: int, time: float, appearance: Appearance) -> Track:
    """Return the track of a face that was not known before. box: (4,) xyxy px; time: s."""
    return Track(number, box, np.zeros(2, np.float32), frame, time, appearance)


def associate(
    tracks: list[Track],
    boxes: np.ndarray,
    appearances: list[Appearance],
    frame: int,
    time: float,
    change: Change,
    min_iou: float,
) -> dict[int, Track]:
    """Return the track that each face continues, by the row of its box; faces without one are left out.

    A face continues a track if it looks like the track's last face and either overlaps the expected box by `min_iou`,
    or lies within reach of it. The reach grows with the time since the last face, and with the size of the box. After a
    cut, only a face that stays in place continues. Of several possible assignments the one with the largest sum of
    overlap and likeness is taken (Hungarian algorithm).

    boxes: (N, 4) float32 xyxy px; appearances: N; frame, time (s): of these faces; change: since the frame before.
    """
    if not tracks or not len(boxes):
        return {}
    last = np.array([track.box for track in tracks], np.float64)
    expected = np.array([track.expected(time) for track in tracks], np.float64)
    overlap = iou(np.concatenate([last, expected]), boxes).reshape(2, len(tracks), len(boxes)).max(0)
    near = _near(tracks, expected, boxes.astype(np.float64), time)
    value = np.zeros((len(tracks), len(boxes)))
    for i, j in np.argwhere(near | (overlap >= min_iou)):
        alike = likeness(tracks[i].appearance, appearances[j])
        needed = MIN_LIKENESS[change] + FAR_LIKENESS * float(overlap[i, j] < min_iou)
        in_place = overlap[i, j] >= CUT_IOU and tracks[i].frame == frame - 1
        if alike >= needed and (change is not Change.CUT or in_place):
            value[i, j] = alike + overlap[i, j]
    return {j: tracks[i] for i, j in best_pairs(value) if value[i, j] > 0}


def _near(tracks: list[Track], expected: np.ndarray, boxes: np.ndarray, time: float) -> np.ndarray:
    """Return which boxes lie within reach of which tracks and have about their size.

    expected: (M, 4), boxes: (N, 4) xyxy px -> (M, N) bool.
    """
    sides, found = (np.sqrt((b[:, 2:] - b[:, :2]).clip(1e-3).prod(1)) for b in (expected, boxes))
    distance = np.linalg.norm(_centre(expected)[:, None] - _centre(boxes)[None], axis=2)
    reach = np.array([min(SPEED * (time - track.time), MAX_REACH) for track in tracks])
    growth = np.maximum(sides[:, None] / found[None], found[None] / sides[:, None])
    return (distance <= (reach * sides)[:, None]) & (growth <= MAX_GROWTH)


def _centre(boxes: np.ndarray) -> np.ndarray:
    """Return the centres of boxes: (..., 4) xyxy -> (..., 2)."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2
