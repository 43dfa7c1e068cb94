"""The values that pass between stages: frozen structs of arrays whose rows belong together.

A clip is processed chunk by chunk. Every value about frames has the `Clock` of the frames for which it is complete:
all rows of these frames are present, and no later value adds rows to them. A stage that looks ahead outputs
its rows later, with their own clock. The clock with `last` set ends the clip. No stage counts chunks, so the places
where a clip is cut change memory use and never a value.

Pixels and features are tensors on the device that computed them; times, indices and boxes are NumPy arrays. Shapes
are written with T frames, N rows (one face on one frame), S samples, C channels, D features, K classes, A action
units. Constructors raise ValueError if shapes do not fit each other.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from avfer.detector import Detector

Gaps = tuple[tuple[float, float], ...]  # (start, stop) of each gap in seconds, in the order of time
NO_TRACK = -1  # track id of a row without a face, whose values come from the voice alone
NO_PERSON = -1  # person id of a row without a face, and of faces whose person was not identified


def _require(condition: bool, struct: object, requirement: str) -> None:
    """Raise ValueError with the requirement and the shapes of a struct's fields unless the condition is true."""
    if not condition:
        found = {f.name: getattr(struct, f.name) for f in fields(struct)}  # pyright: ignore[reportArgumentType]
        shapes = {name: tuple(v.shape) for name, v in found.items() if isinstance(v, Tensor | np.ndarray)}
        raise ValueError(f"{type(struct).__name__}: {requirement}, got {shapes}")


@dataclass(frozen=True)
class Clip:
    """A media file that has not been opened yet."""

    path: Path  # of the media file
    sound: Path | None = None  # separate file with the clip's sound; both files start at the same moment
    arrays: "ClipArrays | None" = None  # frames and sound in memory, in place of both files

    @property
    def name(self) -> str:
        """The file name of the clip, with its suffix."""
        return self.path.name


@dataclass(frozen=True, eq=False)
class ClipArrays:
    """Frames and sound in memory; the first sample belongs to the first frame."""

    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    fps: float  # frames per second
    audio: np.ndarray | None = None  # (C, S) float32 in [-1, 1]
    sample_rate: int = 0  # Hz, of the audio

    def __post_init__(self) -> None:
        right = self.frames.ndim == 4 and self.frames.shape[3] == 3 and self.frames.dtype == np.uint8
        _require(right and self.frames.size > 0, self, "frames must be (T, H, W, 3) uint8 with T, H, W >= 1")
        _require(self.audio is None or self.audio.ndim == 2, self, "audio must be (C, S)")


@dataclass(frozen=True)
class Span:
    """The part of a clip that the sources decode next, half-open."""

    clip: Clip
    start: float  # seconds after the first video frame (without video: after the first sample)
    stop: float  # seconds, excluded
    max_bytes: int | None = None  # of pixels; decode_video outputs as many frames as fit, but at least one


@dataclass(frozen=True, eq=False)
class Clock:
    """The instants for which a value is complete: decoded frames, or ticks of a fixed rate in a clip without video."""

    first: int  # index of the first instant among those of the clip that are output
    times: np.ndarray  # (T,) float64 s after the first video frame
    corrupt: np.ndarray  # (T,) bool, the decoder flagged the frame or lost frames before it
    last: bool  # the clip ends with these instants
    pictures: bool = True  # False: ticks of a fixed rate, no frames
    numbers: np.ndarray | None = None  # (T,) int64, frame numbers in the file; None: those from `first` on

    def __post_init__(self) -> None:
        _require(self.times.ndim == 1 and self.times.shape == self.corrupt.shape, self, "times, corrupt must be (T,)")
        right = self.numbers is None or self.numbers.shape == self.times.shape
        _require(right, self, "numbers must be (T,)")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def stop(self) -> int:
        """Index after the last instant, counted from the start of the clip."""
        return self.first + len(self)

    @property
    def frame_numbers(self) -> np.ndarray:
        """The number of each instant in the file: (T,) int64. It skips frames that `decode_video` leaves out."""
        return np.arange(self.first, self.stop) if self.numbers is None else self.numbers

    def part(self, start: int, stop: int) -> "Clock":
        """Return the clock of the instants from `start` to `stop` (half-open, indices in the clip).

        `last` stays set only if the part includes the last instant.
        """
        cut = slice(start - self.first, stop - self.first)
        last = self.last and stop == self.stop
        numbers = None if self.numbers is None else self.numbers[cut]
        return replace(self, first=start, times=self.times[cut], corrupt=self.corrupt[cut], last=last, numbers=numbers)


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Consecutive decoded frames as they are displayed, rotation applied."""

    clock: Clock  # T frames
    pixels: Tensor  # (T, H, W, 3) uint8 RGB; H and W are 0 in a clip without video

    def __post_init__(self) -> None:
        right = self.pixels.ndim == 4 and self.pixels.shape[::3] == (len(self.clock), 3)
        _require(right, self, f"pixels must be ({len(self.clock)}, H, W, 3)")


@dataclass(frozen=True, eq=False)
class AudioBatch:
    """Consecutive samples of a clip's sound, on the time axis of the frames.

    A batch follows the one before without a gap, unless it starts later than that one ends: then silence between them
    was left out (see avfer/readers/sound.py).
    """

    samples: Tensor  # (C, S) float32 in [-1, 1]
    sample_rate: int  # Hz
    start: float  # seconds, time of samples[:, 0]; negative if the sound starts before the first frame
    first: int  # index of samples[:, 0], counted from the start of the sound
    last: bool  # the sound ends with these samples; a clip without sound has empty batches with `last` only
    clip_stop: float | None = None  # seconds, end of the whole clip; known with the last samples
    gaps: Gaps = ()  # without frames or sound, between the batch before and this one; all in a clip without sound
    clip_start: float = 0.0  # seconds, start of the part of the clip that is decoded

    def __post_init__(self) -> None:
        _require(self.samples.ndim == 2, self, "samples must be (C, S)")


@dataclass(frozen=True, eq=False)
class FaceDetections:
    """The faces on the key frames, ordered by frame, and the detector that found them.

    A tracker searches and refines other frames with the same detector, `min_size` and `min_score`.
    """

    clock: Clock  # frames of this part of the clip
    key_frames: np.ndarray  # (K,) int64, the frames that were searched
    frames: np.ndarray  # (N,) int64, index of the frame in the clip
    boxes: np.ndarray  # (N, 4) float32 xyxy px
    scores: np.ndarray  # (N,) float32 in [0, 1]
    min_size: float  # px, the smallest face that was searched for
    min_score: float  # the lowest score that was kept
    every: int  # frames from one search of the tracker to the next, where a face comes, goes or is unsure
    detector: Detector

    def __post_init__(self) -> None:
        n = len(self.frames)
        right = self.boxes.shape == (n, 4) and self.scores.shape == self.frames.shape == (n,)
        _require(right and self.key_frames.ndim == 1, self, "frames, scores must be (N,), boxes (N, 4)")


@dataclass(frozen=True, eq=False)
class FaceTracks:
    """The faces of every frame with the track of their person, ordered by frame, then track.

    `person_ids` number the persons of the clip: the same person again after a cut or an absence has another track, but
    the same number. It is NO_PERSON on every row until `identify_persons` has run, which is the default.
    """

    clock: Clock  # frames of this part of the clip
    frames: np.ndarray  # (N,) int64, index of the frame in the clip
    boxes: np.ndarray  # (N, 4) float32 xyxy px; NaN on rows without a face
    landmarks: np.ndarray  # (N, 5, 2) float32 (x, y) px: eyes, nose, mouth corners, the one further left first
    scores: np.ndarray  # (N,) float32 in [0, 1]; NaN on rows without a face
    track_ids: np.ndarray  # (N,) int64 from 0; NO_TRACK on rows without a face
    person_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (N,) int64 from 0, or NO_PERSON

    def __post_init__(self) -> None:
        n = len(self.frames)
        if n and not len(self.person_ids):  # not identified: NO_PERSON on every row
            object.__setattr__(self, "person_ids", np.full(n, NO_PERSON, np.int64))
        flat = self.frames.shape == self.scores.shape == self.track_ids.shape == self.person_ids.shape == (n,)
        right = flat and self.boxes.shape == (n, 4) and self.landmarks.shape == (n, 5, 2)
        _require(right, self, "frames, scores, track_ids, person_ids must be (N,), boxes (N, 4), landmarks (N, 5, 2)")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def times(self) -> np.ndarray:
        """The time of each row: (N,) float64 s."""
        return self.clock.times[self.frames - self.clock.first]


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """Faces cut out of their frames and turned upright."""

    faces: FaceTracks  # N rows
    pixels: Tensor  # (N, side, side, 3) uint8 RGB
    to_crop: np.ndarray  # (N, 2, 3) float64, from px (x, y, 1) of the picture to px of the crop

    def __post_init__(self) -> None:
        n = len(self.faces)
        right = self.pixels.ndim == 4 and self.pixels.shape[::3] == (n, 3) and self.to_crop.shape == (n, 2, 3)
        _require(right, self, f"pixels must be ({n}, side, side, 3), to_crop ({n}, 2, 3)")

    @property
    def clock(self) -> Clock:
        """The frames for which the rows are complete."""
        return self.faces.clock


@dataclass(frozen=True, eq=False)
class FaceFeatures:
    """One feature vector per face, and the outputs of the heads that its network has."""

    faces: FaceTracks  # N rows
    values: Tensor  # (N, D) float32
    # Outputs of the network's own heads: (N, O) float32, see avfer.stages.embed_faces.own_outputs; None: left out
    own_outputs: Tensor | None = None
    measures: np.ndarray | None = None  # (N, M) float32 of `join_measures`, NaN where unknown; None: not joined

    def __post_init__(self) -> None:
        parts = [self.values, *(part for part in (self.own_outputs, self.measures) if part is not None)]
        right = all(len(part) == len(self.faces) for part in parts)
        _require(right, self, f"values, own_outputs and measures must have {len(self.faces)} rows")

    @property
    def clock(self) -> Clock:
        """The frames for which the rows are complete."""
        return self.faces.clock


@dataclass(frozen=True, eq=False)
class VoiceFeatures:
    """One feature vector per window of sound, in the order of time."""

    values: Tensor  # (N, D) float32
    times: np.ndarray  # (N,) float64 s, centre of the window
    window: float  # seconds of sound that one row covers
    start: float  # seconds, start of the sound; NaN until the first sample
    stop: float  # seconds up to which all rows are present; with `last`, the end of the sound
    last: bool  # no row follows
    clip_stop: float | None = None  # seconds, end of the whole clip; known with the last rows
    gaps: Gaps = ()  # without frames or sound, which earlier values did not report; they end before the next row
    clip_start: float = 0.0  # seconds, start of the part of the clip that is decoded
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # (N,), windows of digital silence

    def __post_init__(self) -> None:
        if len(self.times) and not len(self.silent):  # not stated: no window is silent
            object.__setattr__(self, "silent", np.zeros(len(self.times), bool))
        right = self.values.ndim == 2 and self.times.shape == self.silent.shape == (len(self.values),)
        _require(right, self, "values must be (N, D), times and silent (N,)")


@dataclass(frozen=True, eq=False)
class SpeechProbabilities:
    """The probability that somebody speaks, one row per window of sound."""

    rows: VoiceFeatures  # whose values are the probabilities: (N, 1) float32 in [0, 1]

    def __post_init__(self) -> None:
        _require(self.rows.values.shape[1] == 1, self.rows, "values must be (N, 1)")


@dataclass(frozen=True, eq=False)
class JointFeatures:
    """Features of face and voice at the same moments; an instant without a face has one row with NO_TRACK."""

    faces: FaceTracks  # N rows
    face: Tensor  # (N, Df) float32, 0 on rows without a face
    voice: Tensor  # (N, Dv) float32, 0 where has_voice is False
    has_voice: np.ndarray  # (N,) bool
    activity: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))  # (N, V) in [0, 1] or NaN
    activity_names: tuple[str, ...] = ()  # V columns of the table: "speech", "speaking"
    measures: np.ndarray | None = None  # (N, M) float32 as in FaceFeatures, NaN on rows without a face

    def __post_init__(self) -> None:
        if not self.activity_names:  # not detected: no column on each row
            object.__setattr__(self, "activity", np.zeros((len(self.faces), 0), np.float32))
        right = len(self.face) == len(self.voice) == len(self.has_voice) == len(self.activity) == len(self.faces)
        _require(right, self, f"face, voice, has_voice, activity must have {len(self.faces)} rows")

    @property
    def clock(self) -> Clock:
        """The instants for which the rows are complete."""
        return self.faces.clock

    @property
    def has_face(self) -> np.ndarray:
        """Whether a row has a face: (N,) bool."""
        return self.faces.track_ids != NO_TRACK
