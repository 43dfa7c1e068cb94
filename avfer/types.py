"""Every value that passes between stages: frozen structs of arrays, rows aligned.

A clip is worked on chunk by chunk. Each picture value carries the `Clock` of the frames it completes: rows of
those frames are all there, and no later value adds to them. A stage that looks ahead gives its rows later,
with the clock that belongs to them; the clock with `last` set is the end of the clip. So no stage counts
chunks, and where a chunk is cut changes memory, never a value.

Pixels and features are tensors on the device that made them; times, ids and boxes are NumPy arrays.
T frames, N rows (one face on one frame), S samples, C channels, D features, K classes, A action units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

NO_TRACK = -1  # track id of a row without a face, which the voice alone fills


def _require(condition: bool, value: object, what: str) -> None:
    if not condition:
        shapes = {f.name: _shape(getattr(value, f.name)) for f in fields(value)}  # pyright: ignore[reportArgumentType]
        raise ValueError(f"{type(value).__name__}: {what}, got {shapes}")


def _shape(field: Any) -> Any:
    return tuple(field.shape) if hasattr(field, "shape") else field


@dataclass(frozen=True)
class Clip:
    """One media file, not opened yet."""

    path: Path
    sound: Path | None = None  # the file of the sound, where it is another one: both begin together

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Span:
    """The stretch of a clip to be worked on now."""

    clip: Clip
    start: float  # seconds after the first video frame (sound alone: the first sample)
    stop: float  # seconds, not included


@dataclass(frozen=True, eq=False)
class Clock:
    """The instants a value is complete for: decoded frames, or ticks of a fixed rate where no picture is."""

    first: int  # index of the first instant, counted from the start of the clip
    times: np.ndarray  # (T,) float64 s after the first video frame
    corrupt: np.ndarray  # (T,) bool, the decoder flagged the frame or lost the ones before it
    last: bool  # the clip ends with these instants
    pictures: bool = True  # False: ticks of a fixed rate

    def __post_init__(self) -> None:
        _require(self.times.shape == self.corrupt.shape, self, "times and corrupt must be (T,)")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def stop(self) -> int:
        """Index after the last instant."""
        return self.first + len(self)

    def part(self, start: int, stop: int) -> "Clock":
        """The instants start to stop (clip indices, half-open); `last` only where the end is included."""
        cut = slice(start - self.first, stop - self.first)
        last = self.last and stop == self.stop
        return replace(self, first=start, times=self.times[cut], corrupt=self.corrupt[cut], last=last)


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Decoded pictures, as displayed (rotation applied)."""

    clock: Clock
    pixels: Tensor  # (T, H, W, 3) uint8 RGB

    def __post_init__(self) -> None:
        _require(len(self.pixels) == len(self.clock), self, "pixels must be (T, H, W, 3)")


@dataclass(frozen=True, eq=False)
class AudioBatch:
    """A stretch of sound, on the time axis of the pictures."""

    samples: Tensor  # (C, S) float32 in [-1, 1]
    sample_rate: int  # Hz
    start: float  # seconds, time of samples[:, 0]
    first: int  # index of samples[:, 0], counted from the start of the sound
    last: bool  # the sound ends here; with no sample at all: the clip has no sound
    clip_stop: float | None = None  # seconds, where the whole clip ends; given with the last samples

    def __post_init__(self) -> None:
        _require(self.samples.ndim == 2, self, "samples must be (C, S)")


@dataclass(frozen=True, eq=False)
class FaceDetections:
    """Faces found on the key frames."""

    clock: Clock
    key_frames: np.ndarray  # (K,) int64, the frames that were searched
    frames: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (N, 4) float32 xyxy px
    scores: np.ndarray  # (N,) float32 in [0, 1]
    min_size: float  # px, the smallest face searched for
    min_score: float  # the lowest score kept


@dataclass(frozen=True, eq=False)
class FaceTracks:
    """Faces of every frame with the person's track, ordered by frame, then track."""

    clock: Clock
    frames: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (N, 4) float32 xyxy px; NaN on rows without a face
    landmarks: np.ndarray  # (N, 5, 2) float32 px: eyes, nose, mouth corners, each pair left in the picture first
    scores: np.ndarray  # (N,) float32 in [0, 1]; NaN on rows without a face
    track_ids: np.ndarray  # (N,) int64; NO_TRACK on rows without a face

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def times(self) -> np.ndarray:
        """(N,) float64 s."""
        return self.clock.times[self.frames - self.clock.first]


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """Faces cut out and turned upright."""

    faces: FaceTracks
    pixels: Tensor  # (N, S, S, 3) uint8 RGB

    @property
    def clock(self) -> Clock:
        return self.faces.clock


@dataclass(frozen=True, eq=False)
class FaceFeatures:
    """One vector per face, and what the network that made it tells itself."""

    faces: FaceTracks
    values: Tensor  # (N, D) float32
    own: Tensor | None = None  # (N, O) float32: valence and arousal, probabilities of classes, of action units

    @property
    def clock(self) -> Clock:
        return self.faces.clock


@dataclass(frozen=True, eq=False)
class VoiceFeatures:
    """One vector per window of sound; rows keep the order of time."""

    values: Tensor  # (N, D) float32
    times: np.ndarray  # (N,) float64 s, centre of the window
    window: float  # seconds that one row has heard
    start: float  # seconds, where the sound begins (NaN while nothing was heard)
    stop: float  # seconds up to which every row has been given; where the sound ends once `last`
    last: bool  # no row follows
    clip_stop: float | None = None  # seconds, where the whole clip ends; given with the last rows


@dataclass(frozen=True, eq=False)
class JointFeatures:
    """Face and voice of the same moment; instants without a face have one row with NO_TRACK."""

    faces: FaceTracks
    face: Tensor  # (N, Df) float32, 0 where there is no face
    voice: Tensor  # (N, Dv) float32, 0 where there is no voice
    has_voice: np.ndarray  # (N,) bool

    @property
    def clock(self) -> Clock:
        return self.faces.clock

    @property
    def has_face(self) -> np.ndarray:
        """(N,) bool."""
        return self.faces.track_ids != NO_TRACK


class _OnClock(Protocol):
    @property
    def clock(self) -> Clock: ...


Rows = TypeVar("Rows", bound=_OnClock)  # FaceTracks, or a struct of arrays that holds one


def select(rows: Rows, index: np.ndarray | slice, clock: Clock) -> Rows:
    """The rows at `index` (slice, mask or positions), as complete for the instants of `clock`."""
    changes: dict[str, Any] = {}
    for field in fields(rows):  # pyright: ignore[reportArgumentType]
        value = getattr(rows, field.name)
        if isinstance(value, FaceTracks):
            changes[field.name] = select(value, index, clock)
        elif isinstance(value, Clock):
            changes[field.name] = clock
        elif isinstance(value, Tensor):
            changes[field.name] = value[index if isinstance(index, slice) else torch.from_numpy(index)]
        elif isinstance(value, np.ndarray):
            changes[field.name] = value[index]
    return replace(rows, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]


def concat(parts: Sequence[Rows]) -> Rows:
    """Consecutive parts of one clip as one value."""
    first = parts[0]
    changes: dict[str, Any] = {}
    for field in fields(first):  # pyright: ignore[reportArgumentType]
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], FaceTracks):
            changes[field.name] = concat(values)
        elif isinstance(values[0], Clock):
            changes[field.name] = concat_clocks(values)
        elif isinstance(values[0], Tensor):
            changes[field.name] = torch.cat(values)
        elif isinstance(values[0], np.ndarray):
            changes[field.name] = np.concatenate(values)
    return replace(first, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]


def concat_clocks(clocks: Iterable[Clock]) -> Clock:
    """Consecutive clocks of one clip as one."""
    parts = list(clocks)
    return replace(
        parts[0],
        times=np.concatenate([c.times for c in parts]),
        corrupt=np.concatenate([c.corrupt for c in parts]),
        last=parts[-1].last,
        pictures=all(c.pictures for c in parts),
    )


def no_faces(clock: Clock) -> FaceTracks:
    """No row, complete for the instants of `clock`."""
    return FaceTracks(
        clock,
        frames=np.zeros(0, np.int64),
        boxes=np.zeros((0, 4), np.float32),
        landmarks=np.zeros((0, 5, 2), np.float32),
        scores=np.zeros(0, np.float32),
        track_ids=np.zeros(0, np.int64),
    )
