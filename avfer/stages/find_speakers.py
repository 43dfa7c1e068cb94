"""find_speakers: which face speaks, from the movement of its mouth and the speech in the sound."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

from avfer.errors import ConfigError
from avfer.face_measures import FaceMeasures
from avfer.models.face_measurer import LANDMARK_INDEX
from avfer.option_types import Number, Share, check_options
from avfer.rows import concat, matching_rows, select
from avfer.stages.mask_voice import without_voice
from avfer.stages.smooth import TIME_TOLERANCE
from avfer.types import Clock, FaceTracks, JointFeatures

LIPS = ((13, 14), (82, 87), (312, 317))  # pairs of points on the inner upper and lower lip, of the face mesh
# Pairs of points whose distances are about equal in a frontal face: outer corners of the eyes; forehead and nose. The
# longer distance is the size of the face.
SIZE = ((33, 263), (10, 4))
# Standard deviation of a mouth's opening in a second, at rest and while it speaks, from six people who say a sentence:
# the median before and after the sentence, and the value that 99 % of the frames with speech exceed.
MOVEMENT = (0.012, 0.028)
FEWEST = 4  # rows of a track in a window from which a movement can be read


@dataclass(frozen=True, eq=False)
class MouthRows:
    """How far the mouth of each face is open."""

    faces: FaceTracks  # N rows
    opening: np.ndarray  # (N,) float64, distance of the inner lips as a share of the face's size

    @property
    def clock(self) -> Clock:
        """The frames for which the rows are complete."""
        return self.faces.clock


@dataclass(frozen=True, eq=False)
class SpeakerState:
    """Rows that were not output yet, and the mouths in their windows."""

    features: JointFeatures | None = None  # None before the first step
    mouths: MouthRows | None = None  # None before the first step


@dataclass
class FindSpeakers:
    """Estimate for each face whether it speaks, and keep the voice for the faces that do.

    The column `speaking` is the product of three factors in [0, 1]:

    - the probability of `speech`;
    - the movement of the mouth: the standard deviation of its opening in a `window` around the row, 0 at the level of a
      mouth at rest, 1 at that of a mouth that speaks, linear between;
    - the movement of this mouth relative to that of the most active other mouth on the frame, v / (v + other), both as
      variances.

    `speaking` is null without a face or sound, and where a track has fewer than four rows in the window. Such a face
    keeps the voice, and so do rows without a face.
    """

    window: Annotated[Number, Field(gt=0, le=60)] = 1.0  # seconds of movement that count; rows wait for half of them
    threshold: Share = 0.5  # lowest `speaking` with which a face keeps the voice
    needed_columns: ClassVar[dict[str, str]] = {"speech": "mask_voice"}
    added_columns: ClassVar[tuple[str, ...]] = ("speaking",)

    def __post_init__(self) -> None:
        check_options(self)

    def start(self) -> SpeakerState:
        """Return the state without rows."""
        return SpeakerState()

    def step(
        self, state: SpeakerState, features: JointFeatures, measures: FaceMeasures
    ) -> tuple[SpeakerState, JointFeatures]:
        """Return the rows whose whole window is known; at the end of the clip all remaining ones.

        Raises ConfigError if the features have no speech, or have `speaking` already.
        """
        if "speech" not in features.activity_names:
            raise ConfigError("find_speakers: the features have no speech; add mask_voice before this stage")
        if "speaking" in features.activity_names:
            raise ConfigError("find_speakers: the features have `speaking` already; use this stage once")
        rows = concat([state.features, features]) if state.features else features
        mouths = MouthRows(measures.faces, mouth_opening(measures.landmarks))
        mouths = concat([state.mouths, mouths]) if state.mouths else mouths
        clock, half = rows.clock, self.window / 2 + TIME_TOLERANCE
        stop = max(clock.first, min(clock.stop, _complete_until(mouths.clock, half)))
        ready = rows.faces.frames < stop
        found = self._speakers(select(rows, ready, clock.part(clock.first, stop)), mouths, half)
        waiting = select(rows, ~ready, clock.part(stop, clock.stop))
        first = _needed_from(mouths.clock, stop, half)
        mouths = select(mouths, mouths.faces.frames >= first, mouths.clock.part(first, mouths.clock.stop))
        return SpeakerState(waiting, mouths), found

    def _speakers(self, rows: JointFeatures, mouths: MouthRows, half: float) -> JointFeatures:
        """Return rows with the column `speaking`.   half: s, half of the window"""
        clock = rows.clock
        movement = _movements(mouths, clock.first, clock.stop, half)
        excess = (movement - MOVEMENT[0]).clip(0)
        shown = (excess / (MOVEMENT[1] - MOVEMENT[0])).clip(max=1) * _shares(mouths.faces.frames, excess**2)
        place = matching_rows(rows.faces, mouths.faces)
        moving = np.append(shown, np.nan)[place]  # NaN at -1
        speech = rows.activity[:, rows.activity_names.index("speech")]
        speaking = (speech * moving).astype(np.float32)
        activity = np.column_stack([rows.activity, speaking]).astype(np.float32)
        found = replace(rows, activity=activity, activity_names=(*rows.activity_names, *self.added_columns))
        return without_voice(found, speaking < self.threshold)


def _complete_until(clock: Clock, half: float) -> int:
    """Return the first frame whose window is not complete yet: frames still to come lie in it.

    half: s, half of a window.
    """
    if clock.last:
        return clock.stop
    newest = clock.times.max() if len(clock) else -np.inf
    return clock.first + int(np.sum(np.maximum.accumulate(clock.times) + half < newest))


def _needed_from(clock: Clock, stop: int, half: float) -> int:
    """Return the first frame that the windows of frame `stop` and later ones need.   half: s, half of a window"""
    if stop >= clock.stop:
        return clock.stop
    start = clock.times[stop - clock.first] - half
    return min(stop, clock.first + int(np.searchsorted(clock.times, start)))


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Return the mean distance of three pairs of points on the inner lips, as a share of the size of the face.

    The size is the larger of the distance of the eyes' outer corners and of that from forehead to nose, of which a turn
    of the head to the side and a nod shorten one each. landmarks: (N, 146, 2) px -> (N,) float64.
    """
    gap = np.mean([_distance(landmarks, pair) for pair in LIPS], 0)
    return gap / np.max([_distance(landmarks, pair) for pair in SIZE], 0).clip(1e-6)


def _distance(landmarks: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Return the distance of two points by their numbers in the face mesh: (N, 146, 2) px -> (N,) float64 px."""
    a, b = (landmarks[:, LANDMARK_INDEX.index(point)].astype(np.float64) for point in pair)
    return np.hypot(*(a - b).T)


def _movements(mouths: MouthRows, start: int, stop: int, half: float) -> np.ndarray:
    """Return the standard deviation of the opening around each row of the frames from `start` to `stop` (half-open).

    half: s, half of the window -> (N,) float64; NaN on the other rows, and where a track has too few rows in the
    window.
    """
    frames, tracks, times = mouths.faces.frames, mouths.faces.track_ids, mouths.faces.times
    movement = np.full(len(frames), np.nan)
    wanted = (frames >= start) & (frames < stop)
    for track in np.unique(tracks[wanted]):
        own = np.flatnonzero(tracks == track)
        rows = own[wanted[own]]
        low = np.searchsorted(times[own], times[rows] - half)
        high = np.searchsorted(times[own], times[rows] + half)
        movement[rows] = _deviations(mouths.opening[own], low, high)
    return movement


def _deviations(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each window of a series; NaN for those of fewer than FEWEST values.

    values: (M,); low, high: (N,) int64, window n is values[low[n]:high[n]] -> (N,) float64.
    """
    lengths = high - low
    deviations = np.full(len(low), np.nan)
    for length in np.unique(lengths[lengths >= FEWEST]):  # at a constant rate one length, except at the track's ends
        same = lengths == length
        deviations[same] = sliding_window_view(values, length)[low[same]].std(axis=1)
    return deviations


def _shares(frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return each value over its sum with the largest other value of its frame; 0 if both are 0.

    frames: (N,) int64, ordered; values: (N,) >= 0, of which NaN counts as 0 for the others -> (N,) float64.
    """
    filled = np.nan_to_num(values)
    order = np.lexsort((filled, frames))  # by frame; the largest value of a frame is its last one
    starts = np.searchsorted(frames, frames)
    stops = np.searchsorted(frames, frames, side="right")
    largest, second = order[stops - 1], order[np.maximum(stops - 2, 0)]
    others = np.where(largest == np.arange(len(values)), filled[second], filled[largest])
    total = values + np.where(stops - starts > 1, others, 0.0)
    return np.divide(values, total, out=np.zeros(len(values)), where=total != 0)
