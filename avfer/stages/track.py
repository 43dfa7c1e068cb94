"""track_faces: from faces on key frames to every face of every frame, with one track per person."""

from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from avfer.option_types import Count, Seconds, Share, check_options
from avfer.rows import concat, no_faces, select
from avfer.signal.appearance import Appearance, appearances
from avfer.signal.cuts import Change, change, thumbnail
from avfer.stages.association import Track, associate, new_track
from avfer.stages.between_key_frames import SURE_SCORE, IntervalFiller, interpolate_faces
from avfer.stages.buffers import FrameBuffer
from avfer.stages.frame_search import Faces, SearchableFrames, unrefined
from avfer.types import Clock, FaceDetections, FaceTracks, FrameBatch


@dataclass(frozen=True)
class TrackingState:
    """Frames whose rows are not output yet, and the persons tracked so far."""

    frames: FrameBuffer = field(default_factory=FrameBuffer)  # that wait for their rows
    key_frame: int = -1  # the last one; it and the frames after it are not tracked yet
    key_faces: Faces | None = None  # on that key frame
    tracks: tuple[Track, ...] = ()  # that may continue
    next_id: int = 0  # id of the next new track
    last_thumbnail: np.ndarray | None = None  # of the last frame that was tracked
    last_time: float = 0.0  # s, of that frame
    waiting: FaceTracks | None = None  # tracked rows that are not output yet, with the ids of `tracks`
    numbers: dict[int, int] = field(default_factory=dict[int, int])  # id of a track -> its number in the output
    next_number: int = 0  # of the next track that is output


@dataclass
class TrackFaces:
    """Fill the frames between key frames and follow each person, with the detector that found the faces.

    Boxes of neighbouring key frames are interpolated and refined on every frame; faces with a score below `min_score`
    are dropped. Where a face is lost, or a sure one appears or vanishes, the frame in the middle is searched too, at
    most `max_searches` times among the frames between two searches that lie `every` frames apart.

    Then boxes become tracks: a face continues the track of a person if it looks the same and overlaps the expected box
    by an IoU of at least `min_iou` or lies within a reach that grows with time, at most `max_gap` seconds later. A shot
    cut ends the tracks of all faces that do not stay in place. A track that starts with fewer than `min_length`
    consecutive faces and a mean score below 0.9 is dropped there, unless the clip is shorter, such as a photograph;
    where a track begins, rows are output up to `min_length` - 1 frames later.
    """

    min_iou: Share = 0.3  # overlap (IoU) with the expected box of its track from which on a face continues it
    max_gap: Seconds = 0.5  # seconds without a face after which a track ends
    min_score: Share = 0.6  # lowest score of a face between key frames
    max_searches: Annotated[Count, Field(ge=0, le=250)] = 5  # further searches of frames between two `every` apart
    min_length: Annotated[Count, Field(ge=1, le=100)] = 5  # frames; a start with fewer, unsure faces is dropped

    def __post_init__(self) -> None:
        check_options(self)

    def start(self) -> TrackingState:
        """Return the state without frames and persons."""
        return TrackingState()

    def step(
        self, state: TrackingState, frames: FrameBatch, detections: FaceDetections
    ) -> tuple[TrackingState, FaceTracks]:
        """Return the rows of the frames before the last key frame, up to a track that began less than `min_length` ago.

        At the end of the clip, return those of all frames.
        """
        if not frames.clock.pictures:
            return state, no_faces(frames.clock)
        state = replace(state, frames=state.frames.add(frames))
        first = max(state.key_frame, 0)
        faces: list[Faces] = []
        for key_frame in detections.key_frames.tolist():
            rows = detections.frames == key_frame
            key_faces = unrefined(detections.boxes[rows], detections.scores[rows])
            if state.key_faces is not None:
                faces += self._fill(state, detections, state.key_faces, key_frame, key_faces)
            state = replace(state, key_frame=key_frame, key_faces=key_faces)
        clock = state.frames.clock
        if clock.last and state.key_faces is not None:
            faces += self._fill(state, detections, state.key_faces, clock.stop, None)
            # Later steps, for sound after the frames, add no rows.
            state = replace(state, key_frame=clock.stop, key_faces=None)
        state, tracks = self._assign_tracks(state, faces, clock.part(first, first + len(faces)))
        state = replace(state, frames=state.frames.since(first + len(faces)))
        return self._output(state, tracks)

    def _fill(
        self, state: TrackingState, detections: FaceDetections, before: Faces, stop: int, after: Faces | None
    ) -> list[Faces]:
        """Return the faces of each frame from the last key frame to `stop` (half-open), the next key frame.

        before, after: the faces on these key frames. At the end of the clip no key frame follows and `after` is None:
        the last frame takes its place.
        """
        start, every = state.key_frame, detections.every
        clip = SearchableFrames(state.frames.picture, detections.detector, detections.min_size, detections.min_score)
        if after is None:
            after = before if stop - 1 == start else clip.search(stop - 1)
        inner = range(start + every, stop, every)
        between = interpolate_faces(clip, start, before, stop, after, every)
        if between is None:
            between = [clip.search(frame) for frame in inner]
        at_ends = pairwise(zip([start, *inner, stop], [before, *between, after], strict=True))
        faces: list[Faces] = []
        for (first, found_first), (last, found_last) in at_ends:
            filler = IntervalFiller(clip, self.min_score, self.max_searches)
            faces += filler.fill(first, found_first, last, found_last)
        return faces

    def _assign_tracks(
        self, state: TrackingState, faces: list[Faces], clock: Clock
    ) -> tuple[TrackingState, FaceTracks]:
        """Assign track ids to the faces of consecutive frames."""
        tracks, next_id = list(state.tracks), state.next_id
        last_thumbnail, last_time = state.last_thumbnail, state.last_time
        ids: list[np.ndarray] = []
        pictures = [state.frames.picture(frame) for frame in range(clock.first, clock.stop)]
        for i, (found, picture, seen) in enumerate(zip(faces, pictures, _appearances(pictures, faces), strict=True)):
            frame, time = clock.first + i, float(clock.times[i])
            now = thumbnail(picture)
            changed = Change.MOTION if last_thumbnail is None else change(last_thumbnail, now, time - last_time)
            last_thumbnail, last_time = now, time
            tracks = [track for track in tracks if time - track.time <= self.max_gap]
            continued = associate(tracks, found.boxes, seen, frame, time, changed, self.min_iou)
            current: list[Track] = []
            for j, (box, appearance) in enumerate(zip(found.boxes, seen, strict=True)):
                if j in continued:
                    current.append(continued[j].moved(box, frame, time, appearance))
                else:
                    current.append(new_track(next_id, box, frame, time, appearance))
                    next_id += 1
            current_ids = [track.id for track in current]
            rest = [] if changed is Change.CUT else [track for track in tracks if track.id not in current_ids]
            tracks = rest + current
            ids.append(np.array(current_ids, np.int64))
        state = replace(
            state, tracks=tuple(tracks), next_id=next_id, last_thumbnail=last_thumbnail, last_time=last_time
        )
        return state, _rows(clock, faces, ids)

    def _output(self, state: TrackingState, tracks: FaceTracks) -> tuple[TrackingState, FaceTracks]:
        """Add tracked rows to those that wait, and output the rows that are old enough, numbered in order of output.

        Whether a track is kept is decided at its first row, by the rows of the `min_length` frames from there on.
        """
        rows = tracks if state.waiting is None else concat([state.waiting, tracks])
        clock = rows.clock
        stop, settled = clock.stop, clock.stop if clock.last else clock.stop - (self.min_length - 1)
        numbers, next_number = dict(state.numbers), state.next_number
        keep = np.ones(len(rows), bool)
        for row in range(len(rows)):
            track, frame = int(rows.track_ids[row]), int(rows.frames[row])
            if track in numbers or not keep[row]:
                continue
            if frame >= settled:
                stop = frame
                break
            start = (rows.track_ids == track) & (rows.frames >= frame) & (rows.frames < frame + self.min_length)
            if start.sum() < min(self.min_length, clock.stop) and rows.scores[start].mean() < SURE_SCORE:
                keep &= ~start
            else:
                numbers[track], next_number = next_number, next_number + 1
        done = keep & (rows.frames < stop)
        output = select(rows, done, clock.part(clock.first, stop))
        output = replace(output, track_ids=np.array([numbers[i] for i in output.track_ids.tolist()], np.int64))
        output = select(output, np.lexsort((output.track_ids, output.frames)), output.clock)
        waiting = select(rows, keep & (rows.frames >= stop), clock.part(stop, clock.stop))
        alive = {track.id for track in state.tracks} | set(waiting.track_ids.tolist())
        numbers = {track: number for track, number in numbers.items() if track in alive}
        return replace(state, waiting=waiting, numbers=numbers, next_number=next_number), output


def _appearances(pictures: list[Tensor], faces: list[Faces]) -> list[list[Appearance]]:
    """Return the appearances of the faces of each frame.   pictures: (H, W, 3) uint8 RGB each"""
    counts = [len(one.boxes) for one in faces]
    shown = [picture for picture, count in zip(pictures, counts, strict=True) for _ in range(count)]
    found = iter(appearances(shown, np.concatenate([one.landmarks for one in faces])) if shown else [])
    return [list(islice(found, count)) for count in counts]


def _rows(clock: Clock, faces: list[Faces], ids: list[np.ndarray]) -> FaceTracks:
    """Return the faces of consecutive frames as rows, ordered by frame, then track.

    ids: for each frame (N,) int64 track ids of its faces.
    """
    if not faces:
        return no_faces(clock)
    orders = [np.argsort(track_ids) for track_ids in ids]
    return FaceTracks(
        clock,
        frames=np.repeat(np.arange(clock.first, clock.stop), [len(order) for order in orders]),
        boxes=np.concatenate([found.boxes[order] for found, order in zip(faces, orders, strict=True)]),
        landmarks=np.concatenate([found.landmarks[order] for found, order in zip(faces, orders, strict=True)]),
        scores=np.concatenate([found.scores[order] for found, order in zip(faces, orders, strict=True)]),
        track_ids=np.concatenate([track_ids[order] for track_ids, order in zip(ids, orders, strict=True)]),
    )
