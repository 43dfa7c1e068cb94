"""track_faces: from faces on key frames to every face of every frame, with one id per person."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from avfer.errors import ConfigError
from avfer.models.detectors.mtcnn import Mtcnn
from avfer.signal.cuts import is_cut, thumbnail
from avfer.signal.iou import match
from avfer.stages.fill import Faces, Filler, as_found
from avfer.stages.frame_window import FrameWindow
from avfer.types import Clock, FaceDetections, FaceTracks, FrameBatch, no_faces


@dataclass(frozen=True)
class Track:
    """A person as last seen."""

    id: int
    box: np.ndarray  # (4,) xyxy px
    time: float  # s


@dataclass(frozen=True)
class State:
    """Frames not finished yet, and the people seen so far."""

    window: FrameWindow = field(default_factory=FrameWindow)
    key: int = -1  # the last key frame; it and the frames after it are not finished
    found: Faces | None = None  # what was found there
    tracks: tuple[Track, ...] = ()
    next_id: int = 0
    thumbnail: np.ndarray | None = None  # of the last finished frame


@dataclass
class TrackFaces:
    """Fill the frames between key frames and follow each person.

    Boxes of neighbouring key frames are interpolated and read again on every frame by the detector's last
    network; a face needs `min_score` there. Where a face is lost, or a sure one appears or vanishes, the frame
    in the middle is searched too, at most `max_searches` times between two key frames. Then boxes become
    tracks: overlap of at least `min_iou` with where a person was last seen, at most `max_gap` seconds ago, in
    the same shot.
    """

    min_iou: float = 0.3
    max_gap: float = 0.5
    min_score: float = 0.6
    max_searches: int = 5
    _network: Mtcnn | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.min_iou <= 1 or not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_iou and min_score lie in [0, 1], not {self.min_iou}, {self.min_score}")
        if self.max_gap < 0 or self.max_searches < 0:
            raise ConfigError(f"max_gap and max_searches are 0 or more, not {self.max_gap}, {self.max_searches}")

    def load(self, device: torch.device) -> None:
        self._network = Mtcnn().to(device)

    def start(self) -> State:
        return State()

    def step(self, state: State, frames: FrameBatch, boxes: FaceDetections) -> tuple[State, FaceTracks]:
        """Rows of all frames before the last key frame; at the end of the clip, of all frames."""
        if not frames.clock.pictures:
            return state, no_faces(frames.clock)
        state = replace(state, window=state.window.add(frames))
        first = max(state.key, 0)
        faces: list[Faces] = []
        for key in boxes.key_frames.tolist():
            rows = boxes.frames == key
            found = as_found(boxes.boxes[rows], boxes.scores[rows])
            if state.found is not None:
                faces += self._fill(state, boxes, key, found)
            state = replace(state, key=key, found=found)
        clock = state.window.clock
        if clock.last and state.found is not None:
            faces += self._fill(state, boxes, clock.stop, None)
            state = replace(state, key=clock.stop, found=None)  # while the sound goes on, later steps add nothing
        state, tracks = self._follow(state, faces, clock.part(first, first + len(faces)))
        return replace(state, window=state.window.since(first + len(faces))), tracks

    def _fill(self, state: State, boxes: FaceDetections, stop: int, after: Faces | None) -> list[Faces]:
        """Faces of the frames from the last key frame to `stop` (half-open), where `after` was found.

        At the end of the clip no key frame follows: the last frame is searched in its place.
        """
        assert self._network is not None and state.found is not None, "load() comes first"
        network, picture = self._network, state.window.picture

        def search(frame: int) -> Faces:
            found, scores = network.search(picture(frame), boxes.min_size)
            keep = scores >= boxes.min_score
            return as_found(found[keep].numpy(), scores[keep].numpy())

        filler = Filler(picture, search, network, self.min_score, self.max_searches)
        return filler.fill(state.key, state.found, stop, search(stop - 1) if after is None else after)

    def _follow(self, state: State, faces: list[Faces], clock: Clock) -> tuple[State, FaceTracks]:
        """Give the faces of finished frames their track ids."""
        tracks, next_id, before = list(state.tracks), state.next_id, state.thumbnail
        ids: list[np.ndarray] = []
        for i, found in enumerate(faces):
            time = float(clock.times[i])
            after = thumbnail(state.window.picture(clock.first + i))
            cut = before is not None and is_cut(before, after)
            before = after
            tracks = [] if cut else [track for track in tracks if time - track.time <= self.max_gap]
            known = np.array([track.box for track in tracks], np.float32).reshape(-1, 4)
            named = {j: tracks[k].id for k, j in match(known, found.boxes, self.min_iou)}
            for j in range(len(found.boxes)):
                if j not in named:
                    named[j], next_id = next_id, next_id + 1
            seen = [Track(named[j], found.boxes[j], time) for j in range(len(found.boxes))]
            tracks = [track for track in tracks if track.id not in named.values()] + seen
            ids.append(np.array([named[j] for j in range(len(found.boxes))], np.int64))
        state = replace(state, tracks=tuple(tracks), next_id=next_id, thumbnail=before)
        return state, _rows(clock, faces, ids)


def _rows(clock: Clock, faces: list[Faces], ids: list[np.ndarray]) -> FaceTracks:
    """The faces of consecutive frames as rows, ordered by frame, then track."""
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
