"""Make the faces of a clip unrecognisable: find every face of every frame, and replace it by a few mean colours.

The faces are searched again, apart from those of the table, because a table lacks the faces that its pipeline left out:
small or short ones, those outside `region`, those of other persons. The search is finer than that of the embedded
pipelines, keeps every face whatever its score and length, and fills the gaps of a face that is lost for a moment. A
face that is not detected at all stays visible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from avfer.export import metadata_of
from avfer.export.clip_frames import clip_decoder, decoded_batches, options_of_stage
from avfer.export.track_series import BOX_COLUMNS
from avfer.stages.detect import DetectFaces
from avfer.stages.track import TrackFaces
from avfer.torch_threads import torch_threads

Blur = Literal["", "others", "all"]
SEARCH_EVERY = 5  # frames between two searches of a whole frame
MIN_SIZE = 24.0  # px, of the faces that are searched for; smaller ones only if the pipeline searches for them
MIN_SCORE = 0.3  # of a face between two searches
MAX_GAP = 2.0  # s without a detection over which a face is followed
HOLD = 0.25  # s before the first and after the last detection of a face in which its place is blurred too
PADDING = 1.6  # of the sides of a box: the ellipse that is blurred contains the whole box, hair and chin
CELLS = 4  # mean colours along each side of the padded box
SAME_IOU, SAME_COVER = 0.4, 0.6  # of the box of the person who is kept, and of a found box, that are one face


@dataclass(frozen=True)
class FacePlaces:
    """Boxes of faces on decoded frames."""

    positions: np.ndarray  # (N,) int64, index among the decoded frames
    boxes: np.ndarray  # (N, 4) float64 xyxy px
    sequences: np.ndarray  # (N,) int64, equal for the boxes of one face that was followed

    def part(self, rows: np.ndarray) -> "FacePlaces":
        """Return some of the boxes.   rows: (N,) bool or (M,) int64"""
        return FacePlaces(self.positions[rows], self.boxes[rows], self.sequences[rows])


def blurred_boxes(clip: Path, table: pa.Table, blur: Blur) -> dict[int, np.ndarray]:
    """Return the boxes to blur on each frame of a clip: number of the frame -> (N, 4) float64 xyxy px.

    table: of the clip, whose faces are blurred as well. blur: "all", or "others" than the `main_person`.
    Raises MediaError if the clip cannot be read.
    """
    numbers, times, found = _search(clip, metadata_of(table.schema))
    kept = main_person(table) if blur == "others" else None
    known, chosen = _table_places(table, numbers, kept)
    places = _joined([found, known.part(~chosen)])
    shown = _boxes_by_frame(known.part(chosen), table, numbers, times)
    places = places.part(~_same_face(places, shown))
    result: dict[int, list[np.ndarray]] = {}
    between = _between(places, times, MAX_GAP, HOLD)
    for filled in (places, between.part(~_same_face(between, shown))):
        for position, box in zip(filled.positions.tolist(), filled.boxes, strict=True):
            result.setdefault(int(numbers[position]), []).append(box)
    return {number: np.stack(boxes) for number, boxes in result.items()}


def main_person(table: pa.Table) -> tuple[str, int] | None:
    """Return the person with the largest sum of face areas over all frames: ("person", 0), None without any face.

    Where persons were not identified, it is a track: ("track", 3). Rows that the option `person` of the pipeline left
    out are not in the table, so the person that it chooses by number is the main one.
    """
    faces = table.filter(table["track"].is_valid())
    if not len(faces):
        return None
    identified = "person" in faces.column_names and faces["person"].null_count < len(faces)
    column = "person" if identified else "track"
    faces = faces.filter(faces[column].is_valid())
    left, top, right, bottom = (faces[side].to_numpy(zero_copy_only=False).astype(np.float64) for side in BOX_COLUMNS)
    ids, rows = np.unique(faces[column].to_numpy(), return_inverse=True)
    return column, int(ids[np.bincount(rows, (right - left) * (bottom - top)).argmax()])


def blur_faces(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return a copy of an image in which an ellipse around each box shows CELLS x CELLS mean colours only.

    The original pixels cannot be computed from them: a face keeps about 3 x 3 colours.
    image: (H, W, 3) uint8 RGB; boxes: (N, 4) xyxy px -> (H, W, 3) uint8 RGB.
    """
    result = image.copy()
    height, width, _ = image.shape
    for x1, y1, x2, y2 in boxes.tolist():
        centre, radii = ((x1 + x2) / 2, (y1 + y2) / 2), ((x2 - x1) * PADDING / 2, (y2 - y1) * PADDING / 2)
        left, top = (max(int(np.floor(c - r)), 0) for c, r in zip(centre, radii, strict=True))
        right, bottom = (
            min(int(np.ceil(c + r)), limit) for c, r, limit in zip(centre, radii, (width, height), strict=True)
        )
        if right <= left or bottom <= top:
            continue
        part = Image.fromarray(result[top:bottom, left:right])
        few = part.resize((CELLS, CELLS), Image.Resampling.BOX).resize(part.size, Image.Resampling.BILINEAR)
        y, x = np.mgrid[top:bottom, left:right] + 0.5
        inside = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 <= 1
        result[top:bottom, left:right][inside] = np.asarray(few)[inside]
    return result


def _search(clip: Path, metadata: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray, FacePlaces]:
    """Return number and time (s) of every decoded frame, (T,) each, and all faces found on them.

    Beside the followed faces these are all faces of the searched frames, each a sequence of its own: a face that was
    not followed further is among them.
    """
    options = options_of_stage(metadata, "detect_faces", DetectFaces)
    detect = DetectFaces(
        detector=options.get("detector", DetectFaces.detector),
        min_size=min(options.get("min_size", DetectFaces.min_size), MIN_SIZE),
        min_score=0.0,
        every=SEARCH_EVERY,
        calm=1,
    )
    detect.load(torch.device("cpu"))
    track = TrackFaces(min_score=MIN_SCORE, max_gap=MAX_GAP, min_length=1)
    state = track.start()
    numbers, times, followed, searched = [np.zeros(0, np.int64)], [np.zeros(0)], list[FacePlaces](), list[FacePlaces]()
    for frames in decoded_batches(clip, clip_decoder(metadata)):
        with torch_threads(1), torch.inference_mode():
            found = detect(frames)
            state, tracks = track.step(state, frames, found)
        numbers.append(frames.clock.frame_numbers)
        times.append(frames.clock.times)
        followed.append(FacePlaces(tracks.frames, tracks.boxes.astype(np.float64), tracks.track_ids))
        singles = np.arange(len(found.frames)) + sum(len(places.positions) for places in searched)
        searched.append(FacePlaces(found.frames, found.boxes.astype(np.float64), singles))
    seconds = np.maximum.accumulate(np.concatenate(times))  # those of a damaged clip may step back
    return np.concatenate(numbers), seconds, _joined([_concat(followed), _concat(searched)])


def _concat(parts: list[FacePlaces]) -> FacePlaces:
    """Return the boxes of all parts, whose sequences have the same numbers."""
    return FacePlaces(
        np.concatenate([part.positions for part in parts] or [np.zeros(0, np.int64)]),
        np.concatenate([part.boxes for part in parts] or [np.zeros((0, 4))]),
        np.concatenate([part.sequences for part in parts] or [np.zeros(0, np.int64)]),
    )


def _joined(parts: list[FacePlaces]) -> FacePlaces:
    """Return the boxes of all parts, with numbers of sequences that do not collide."""
    first, shifted = 0, list[FacePlaces]()
    for part in parts:
        shifted.append(FacePlaces(part.positions, part.boxes, part.sequences + first))
        first += int(part.sequences.max(initial=-1)) + 1
    return _concat(shifted)


def _table_places(table: pa.Table, numbers: np.ndarray, kept: tuple[str, int] | None) -> tuple[FacePlaces, np.ndarray]:
    """Return the faces of a table and which of them are kept: (N,) bool.   numbers: (T,) of the decoded frames"""
    faces = table.filter(table["track"].is_valid())
    faces = faces.filter(faces["frame"].is_valid())
    frames = faces["frame"].to_numpy()
    rows = np.isin(frames, numbers)
    boxes = np.stack([faces[side].to_numpy(zero_copy_only=False).astype(np.float64) for side in BOX_COLUMNS], 1)
    rows &= np.isfinite(boxes).all(1)
    positions = np.searchsorted(numbers, frames[rows])
    places = FacePlaces(positions, boxes[rows], faces["track"].to_numpy()[rows].astype(np.int64))
    if kept is None:
        return places, np.zeros(len(positions), bool)
    column, number = kept
    return places, faces[column].fill_null(-1).to_numpy()[rows] == number


def _boxes_by_frame(chosen: FacePlaces, table: pa.Table, numbers: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the box of the person who is kept on each decoded frame, NaN where unknown: (T, 4).

    On frames that the pipeline left out (`every`, `fps`) the box lies between those of the frames beside them.
    """
    boxes = np.full((len(numbers), 4), np.nan)
    left_out = ~np.isin(numbers, table["frame"].drop_null().to_numpy())
    between = _between(chosen, times, MAX_GAP, 0.0)
    between = between.part(left_out[between.positions])
    for places in (between, chosen):
        boxes[places.positions] = places.boxes
    return boxes


def _between(places: FacePlaces, times: np.ndarray, max_gap: float, hold: float) -> FacePlaces:
    """Return a box on every frame on which a sequence has none, interpolated over gaps of at most `max_gap` s.

    The first and the last box before a longer gap stay for `hold` s. times: (T,) s of the decoded frames.
    """
    parts: list[FacePlaces] = []
    order = np.lexsort((places.positions, places.sequences))
    places = places.part(order)
    at = times[places.positions]
    breaks = np.flatnonzero((np.diff(places.sequences) != 0) | (np.diff(at) > max_gap)) + 1
    for rows in np.split(np.arange(len(order)), breaks) if len(order) else []:
        known = places.positions[rows]
        start = int(np.searchsorted(times, at[rows[0]] - hold - 1e-6))
        stop = int(np.searchsorted(times, at[rows[-1]] + hold + 1e-6))
        missing = np.setdiff1d(np.arange(start, stop), known)
        boxes = np.stack([np.interp(times[missing], at[rows], side) for side in places.boxes[rows].T], 1)
        parts.append(FacePlaces(missing, boxes, np.full(len(missing), places.sequences[rows[0]])))
    return _concat(parts)


def _same_face(places: FacePlaces, shown: np.ndarray) -> np.ndarray:
    """Return which boxes show the face that is kept: (N,) bool.   shown: (T, 4) its boxes on the decoded frames"""
    kept = shown[places.positions]
    corner = np.minimum(places.boxes[:, 2:], kept[:, 2:]) - np.maximum(places.boxes[:, :2], kept[:, :2])
    shared = corner.clip(0).prod(1)
    area, other = ((boxes[:, 2:] - boxes[:, :2]).clip(1e-6).prod(1) for boxes in (places.boxes, kept))
    return (shared >= SAME_COVER * area) | (shared >= SAME_IOU * (area + other - shared))  # False for NaN
