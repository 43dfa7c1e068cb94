"""Measure face_lite on clips: `python -m tools.bench.face_measures_clips CLIPS CROPS CACHE WEIGHTS`.

Faces are found, tracked and aligned as in production. The teacher (the Face Landmarker) reads the same frames at full
size. Prints r of AU25 and AU26 with the teacher frame by frame, and how many of the teacher's blinks are found. CACHE
keeps crops and the teacher's scores, which take most of the time.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.signal import find_peaks

from avfer.models.backbones.face_landmarker import FaceLandmarker
from avfer.models.face_measurer import ACTION_UNITS, LANDMARK_INDEX, action_units
from avfer.stages.decode import DecodeVideo
from avfer.types import Clip, Span
from tools.bench.agreement import find_faces
from tools.bench.face_measures import UNITS, load, measure, units_of
from tools.train.face_measures import correlations
from tools.train.face_measures_corpus import Corpus
from tools.train.face_measures_data import SHARED, align, open_renderer
from tools.train.face_measures_targets import photograph_targets, raw_scores

# Clips of one person with a face of 40 px or more.
SINGLE = (
    *("pyfeat_WolfgangLanger_Pexels.mp4", "pyfeat_single_face.mp4", "ravdess_01-01-01-01-01-01-01.mp4"),
    *("grid_bbaf2n.mpg", "grid_brbk7n.mpg", "grid_lbax4n.mpg", "grid_lrwp9a.mpg", "grid_sbia1a.mpg", "grid_swiz3n.mpg"),
    *("carphone_pristine.mp4", "fer_woman2.mp4", "lp_d0.mp4", "lp_d13.mp4", "lp_s32.mp4"),
)
PROMINENCE = 0.3  # of a blink in AU45, on the scale of the photographs
TOLERANCE = 0.12  # s between the same blink of teacher and network
LONGEST = 0.8  # s, width of a blink at half its prominence


def crops_of(path: Path, teacher: FaceLandmarker) -> dict[str, np.ndarray]:
    """Return crops (N, 120, 120, 3), times, and the teacher's scores and landmarks for the first track of a clip."""
    tracks = find_faces(path, 5)
    _, batch = DecodeVideo().step(DecodeVideo().start(), Span(Clip(path), 0, float("inf")))
    rows = np.flatnonzero(tracks.track_ids == np.bincount(tracks.track_ids).argmax())
    crops: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    points: list[np.ndarray] = []
    for row in rows:
        picture, five = batch.pixels[int(tracks.frames[row])].numpy(), tracks.landmarks[row].astype(np.float64)
        x1, y1, x2, y2 = tracks.boxes[row].astype(np.float64)
        corners = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])
        face = teacher.measure(batch.pixels[int(tracks.frames[row])], np.concatenate([five[:2], corners]))
        crop, matrix, _ = align(picture, five)
        crops.append(crop)
        scores.append(face.blendshapes)
        points.append(face.points[list(LANDMARK_INDEX), :2] @ matrix[:, :2].T + matrix[:, 2])
    return {
        "pixels": np.stack(crops),
        "teacher": np.stack(scores),
        "landmarks": np.stack(points),
        "times": np.asarray(tracks.times[rows]),
    }


def blinks(closed: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the times of the blinks in AU45: (N,), (N,) s -> (B,) s."""
    step = float(np.median(np.diff(times)))
    peaks, _ = find_peaks(closed, prominence=PROMINENCE, width=(None, LONGEST / step), rel_height=0.5)
    return times[peaks]


def matched(found: np.ndarray, wanted: np.ndarray) -> int:
    """Return how many wanted times have a found one of their own within TOLERANCE seconds."""
    rest, count = list(found), 0
    for time in wanted:
        near = [value for value in rest if abs(value - time) <= TOLERANCE]
        if near:
            rest.remove(min(near, key=lambda value: abs(value - time)))
            count += 1
    return count


def compare(arrays: dict[str, np.ndarray], values: np.ndarray, goal: np.ndarray, name: str) -> Sequence[int]:
    """Print a clip's figures; return the teacher's blinks, those found, and those that only the network reports.

    values, goal: (N, 21) action units of the network and the teacher.
    """
    r = correlations(values, goal)
    at = {unit: k for k, unit in enumerate(UNITS)}
    truth, ours = (blinks(units[:, at["au45"]], arrays["times"]) for units in (goal, values))
    right = matched(ours, truth)
    print(
        f"{name:36s} {len(values):4d} faces  au25 {r[at['au25']]:.2f} au26 {r[at['au26']]:.2f} au12 {r[at['au12']]:.2f}"
        f" au45 {r[at['au45']]:.2f}  blinks {right} of {len(truth)}, {len(ours) - right} more",
        flush=True,
    )
    return len(truth), right, len(ours) - right


def main() -> None:
    """Print the figures of every clip and their sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("crops", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("weights", type=Path, nargs="?", help="without weights, only the cache is made")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with the data of all corpora")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    missing = [name for name in SINGLE if not (options.cache / f"{name}.npz").exists()]
    if missing:
        teacher = open_renderer(options.data)[1]
        for name in missing:
            np.savez(options.cache / f"{name}.npz", **crops_of(options.clips / name, teacher))
            print(name, flush=True)
    if not options.weights:
        return
    model, corpus = load(options.weights), Corpus(options.crops, options.data)
    known = [k for k, unit in enumerate(ACTION_UNITS) if unit not in ("au06", "au09")]
    totals = np.zeros(3, int)
    with torch.inference_mode():
        for name in SINGLE:
            arrays = dict(np.load(options.cache / f"{name}.npz"))
            raw = raw_scores(arrays["teacher"], arrays["landmarks"], corpus.names, corpus.index)
            goal = np.full((len(raw), len(UNITS)), np.nan, np.float32)
            targets = torch.from_numpy(photograph_targets(raw, corpus.scale))
            goal[:, known] = action_units(targets).numpy()[:, known]
            values = units_of(measure(model, torch.from_numpy(arrays["pixels"])))
            totals += compare(arrays, values, goal, name)
    print(f"blinks: {totals[1]} of {totals[0]} found, {totals[2]} false")


if __name__ == "__main__":
    main()
