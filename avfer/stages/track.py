"""track_faces: from faces on key frames to every face of every frame, with one track per person."""

from dataclasses import dataclass, field, replace

import numpy as np

from avfer.errors import ConfigError
from avfer.rows import no_faces
from avfer.signal.boxes import match_boxes
from avfer.signal.cuts import is_cut, thumbnail
from avfer.stages.between_key_frames import Faces, KeyFrameInterval, unrefined
from avfer.stages.buffers import FrameBuffer
from avfer.stages.detect import search
from avfer.types import Clock, FaceDetections, FaceTracks, FrameBatch


@dataclass(frozen=True)
class Track:
    """The last known face of a person."""

    id: int
    box: np.ndarray  # (4,) float32 xyxy px
    time: float  # s


@dataclass(frozen=True)
class TrackingState:
    """Frames whose rows are not output yet, and the persons tracked so far."""

    frames: FrameBuffer = field(default_factory=FrameBuffer)
    key: int = -1  # the last key frame; it and the frames after it are not output yet
    found: Faces | None = None  # faces on that key frame
    tracks: tuple[Track, ...] = ()
    next_id: int = 0
    thumbnail: np.ndarray | None = None  # of the last frame that was output


@dataclass
class TrackFaces:
    """Fill the frames between key frames and follow each person, with the detector that found the faces.

    Boxes of neighbouring key frames are interpolated and refined on every frame; faces with a score below `min_score`
    are dropped. Where a face is lost, or a sure one appears or vanishes, the frame in the middle is searched too, at
    most `max_searches` times between two key frames. Then boxes become tracks: a face continues the track of a person
    if it overlaps the person's last box by an IoU of at least `min_iou`, at most `max_gap` seconds later, in the same
    shot.
    """

    min_iou: float = 0.3
    max_gap: float = 0.5  # seconds
    min_score: float = 0.6  # in [0, 1]
    max_searches: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.min_iou <= 1 or not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_iou and min_score: must lie in [0, 1], got {self.min_iou} and {self.min_score}")
        if self.max_gap < 0 or self.max_searches < 0:
            raise ConfigError(f"max_gap and max_searches: must be >= 0, got {self.max_gap} and {self.max_searches}")

    def start(self) -> TrackingState:
        """Return the state without frames and persons."""
        return TrackingState()

    def step(self, state: TrackingState, frames: FrameBatch, boxes: FaceDetections) -> tuple[TrackingState, FaceTracks]:
        """Return the rows of all frames before the last key frame; at the end of the clip, of all frames."""
        if not frames.clock.pictures:
            return state, no_faces(frames.clock)
        state = replace(state, frames=state.frames.add(frames))
        first = max(state.key, 0)
        faces: list[Faces] = []
        for key in boxes.key_frames.tolist():
            rows = boxes.frames == key
            found = unrefined(boxes.boxes[rows], boxes.scores[rows])
            if state.found is not None:
                faces += self._fill(state, state.found, boxes, key, found)
            state = replace(state, key=key, found=found)
        clock = state.frames.clock
        if clock.last and state.found is not None:
            faces += self._fill(state, state.found, boxes, clock.stop, None)
            state = replace(state, key=clock.stop, found=None)  # if the sound goes on, later steps add no rows
        state, tracks = self._follow(state, faces, clock.part(first, first + len(faces)))
        return replace(state, frames=state.frames.since(first + len(faces))), tracks

    def _fill(
        self, state: TrackingState, before: Faces, boxes: FaceDetections, stop: int, after: Faces | None
    ) -> list[Faces]:
        """Return the faces of each frame from the last key frame to `stop` (half-open), the next key frame.

        At the end of the clip no key frame follows and `after` is None: the last frame is searched in its place.
        """
        picture = state.frames.picture

        def search_frame(frame: int) -> Faces:
            return unrefined(*search(boxes.detector, picture(frame), boxes.min_size, boxes.min_score))

        interval = KeyFrameInterval(picture, search_frame, boxes.detector, self.min_score, self.max_searches)
        return interval.fill(state.key, before, stop, search_frame(stop - 1) if after is None else after)

    def _follow(self, state: TrackingState, faces: list[Faces], clock: Clock) -> tuple[TrackingState, FaceTracks]:
        """Assign track ids to the faces of consecutive frames."""
        tracks, next_id, before = list(state.tracks), state.next_id, state.thumbnail
        ids: list[np.ndarray] = []
        for i, found in enumerate(faces):
            time = float(clock.times[i])
            after = thumbnail(state.frames.picture(clock.first + i))
            cut = before is not None and is_cut(before, after)
            before = after
            tracks = [] if cut else [track for track in tracks if time - track.time <= self.max_gap]
            last_boxes = np.array([track.box for track in tracks], np.float32).reshape(-1, 4)
            assigned = {j: tracks[k].id for k, j in match_boxes(last_boxes, found.boxes, self.min_iou)}
            for j in range(len(found.boxes)):
                if j not in assigned:
                    assigned[j], next_id = next_id, next_id + 1
            current = [Track(assigned[j], found.boxes[j], time) for j in range(len(found.boxes))]
            tracks = [track for track in tracks if track.id not in assigned.values()] + current
            ids.append(np.array([assigned[j] for j in range(len(found.boxes))], np.int64))
        state = replace(state, tracks=tuple(tracks), next_id=next_id, thumbnail=before)
        return state, _rows(clock, faces, ids)


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
