"""Measure how many faces of per-frame MTCNN are found: `python -m tools.bench.agreement CLIP...`.

The reference is facenet-pytorch's MTCNN with its defaults (full size, smallest face 20 px) on every frame. Its faces
with a score >= 0.95 and a shorter side >= 40 px count as found if a face of avfer (detection on key frames, tracking
between them) overlaps with an IoU >= 0.5. `--cache DIR` keeps the reference, which takes most of the time.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import MTCNN

from avfer.rows import concat
from avfer.signal.geometry import iou
from avfer.stages.decode import DecodeVideo
from avfer.stages.detect import DetectFaces
from avfer.stages.track import TrackFaces
from avfer.types import Clip, FaceTracks, Span

MIN_SCORE, MIN_SIDE, FOUND = 0.95, 40, 0.5


def reference(path: Path, cache: Path | None) -> list[np.ndarray]:
    """Return, for each frame, the boxes of per-frame MTCNN: (N, 5) float64, xyxy in px and score.

    cache: folder of earlier results, or None.
    """
    stored = cache / f"{path.name}.npz" if cache else None
    if stored and stored.exists():
        rows = np.load(stored)
        return [rows["boxes"][rows["frames"] == i] for i in range(int(rows["count"]))]
    detector = MTCNN(keep_all=True)
    found: list[np.ndarray] = []
    _, batch = DecodeVideo().step(DecodeVideo().start(), Span(Clip(path), 0, float("inf")))
    for picture in batch.pixels:
        boxes, scores = detector.detect(picture.numpy()) if min(picture.shape[:2]) >= 20 else (None, None)
        found.append(np.zeros((0, 5)) if boxes is None else np.column_stack([boxes, scores]).astype(float))
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        frames = np.repeat(np.arange(len(found)), [len(f) for f in found])
        np.savez(stored, boxes=np.concatenate([*found, np.zeros((0, 5))]), frames=frames, count=len(found))
    return found


def find_faces(path: Path, every: int) -> FaceTracks:
    """Return the faces of detection on every `every`-th frame and tracking."""
    decode, detect, track = DecodeVideo(), DetectFaces(every=every), TrackFaces()
    detect.load(torch.device("cpu"))
    decoding, state, parts, start = decode.start(), track.start(), list[FaceTracks](), 0.0
    while not parts or not parts[-1].clock.last:
        decoding, frames = decode.step(decoding, Span(Clip(path), start, start + 1))
        state, rows = track.step(state, frames, detect(frames))
        parts.append(rows)
        start += 1
    return concat(parts)


def compare(path: Path, cache: Path | None, every: int) -> np.ndarray:
    """Return the IoU of every counted face of the reference with the nearest of ours, (M,), and print a line."""
    rows, overlaps, extra = find_faces(path, every), list[float](), 0
    for frame, faces in enumerate(reference(path, cache)):
        boxes = rows.boxes[rows.frames == frame]
        near = iou(faces[:, :4], boxes)
        extra += int((near.max(0, initial=0) < FOUND).sum()) if len(boxes) else 0
        side = np.minimum(faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1])
        overlaps += near.max(1, initial=0)[(faces[:, 4] >= MIN_SCORE) & (side >= MIN_SIDE)].tolist()
    result = np.array(overlaps)
    share = f"{(result >= FOUND).mean():7.1%}  median IoU {np.median(result):.3f}" if len(result) else "      -"
    people = len(np.unique(rows.track_ids))
    print(
        f"{path.name:36s} faces {len(result):5d}  found {share}  ours only {extra:4d}  tracks {people:3d}", flush=True
    )
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, help="folder for the boxes of the reference")
    parser.add_argument("--every", type=int, default=10, help="frames between two key frames")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for clip in options.clips:
            compare(clip, options.cache, options.every)
