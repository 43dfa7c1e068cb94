"""Rows of face and voice, speech over time, and mouths that move, for tests of mask_voice and find_speakers."""

from itertools import pairwise

import numpy as np
import torch

from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.models.face_measurer import LANDMARK_INDEX, NUM_LANDMARKS
from avfer.rows import blank_faces
from avfer.types import NO_TRACK, Clock, FaceTracks, JointFeatures, SpeechProbabilities, VoiceFeatures
from tests.laws import clock

WINDOW = 0.032  # s


def speech(values: np.ndarray, silent: np.ndarray | None = None, start: float = 0.0) -> SpeechProbabilities:
    """Return a whole sound with these probabilities, one every 32 ms."""
    times = start + WINDOW * (np.arange(len(values)) + 0.5)
    return SpeechProbabilities(
        VoiceFeatures(
            torch.from_numpy(values.astype(np.float32))[:, None],
            times,
            WINDOW,
            start if len(values) else float("nan"),
            start + WINDOW * len(values),
            last=True,
            silent=np.zeros(len(values), bool) if silent is None else silent,
        )
    )


def face_rows(count: int, tracks: tuple[int, ...], fps: float = 25.0) -> FaceTracks:
    """Return `count` frames with a face of each track; NO_TRACK alone gives rows without a face."""
    frames = np.repeat(np.arange(count), len(tracks))
    if tracks == (NO_TRACK,):
        return blank_faces(clock(count, fps), frames)
    ids, n = np.tile(np.array(tracks, np.int64), count), len(frames)
    ones = np.ones((n, 4), np.float32)
    return FaceTracks(clock(count, fps), frames, ones, np.ones((n, 5, 2), np.float32), ones[:, 0], ids)


def joint(faces: FaceTracks, said: np.ndarray | None = None) -> JointFeatures:
    """Return rows that all have a voice of ones; said: (T,) speech of each frame, None for no such column."""
    n = len(faces)
    rows = JointFeatures(faces, torch.arange(n)[:, None].float(), torch.ones(n, 2), np.ones(n, bool))
    if said is None:
        return rows
    activity = said[faces.frames].astype(np.float32)[:, None]
    return JointFeatures(faces, rows.face, rows.voice, rows.has_voice, activity, ("speech",))


def mouths(faces: FaceTracks, openings: np.ndarray) -> FaceMeasures:
    """Return faces of size 100 px whose mouths are open by these shares of it. openings: (N,)."""
    n = len(faces)
    points = np.zeros((n, NUM_LANDMARKS, 2), np.float32)
    for point, place in {33: (0, 0), 263: (100, 0), 10: (50, -40), 4: (50, 50)}.items():
        points[:, LANDMARK_INDEX.index(point)] = place
    for upper, lower in ((13, 14), (82, 87), (312, 317)):
        points[:, LANDMARK_INDEX.index(upper)] = (50, 70)
        points[:, LANDMARK_INDEX.index(lower)] = np.c_[np.full(n, 50), 70 + 100 * openings]
    units, values = np.zeros((n, len(MEASURED_UNITS))), np.zeros((n, len(MEASURES)))
    return FaceMeasures(faces, points, units.astype(np.float32), values.astype(np.float32))


def parts_of(whole: SpeechProbabilities, cuts: list[int], times: Clock) -> list[SpeechProbabilities]:
    """Return the speech in as many parts as there are stretches of frames between the cuts."""
    rows, parts = whole.rows, list[SpeechProbabilities]()
    borders = [0, *(round(cut * len(rows.times) / max(1, len(times))) for cut in cuts), len(rows.times)]
    for i, (a, b) in enumerate(pairwise(borders)):
        last = i == len(borders) - 2
        stop = rows.stop if last else float(rows.times[b - 1]) if b else rows.start
        start = rows.start if b else float("nan")
        part = VoiceFeatures(rows.values[a:b], rows.times[a:b], WINDOW, start, stop, last, silent=rows.silent[a:b])
        parts.append(SpeechProbabilities(part))
    return parts
