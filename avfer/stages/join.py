"""Bring face and voice of the same moment together, and give the voice a clock where there is no picture."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from avfer.errors import ConfigError
from avfer.rows import concat, no_faces, select
from avfer.types import NO_TRACK, Clock, FaceFeatures, FaceTracks, JointFeatures, VoiceFeatures


@dataclass(frozen=True, eq=False)
class Voice:
    """What is known of the voice, and still needed."""

    values: Tensor  # (M, Dv) float32
    times: np.ndarray  # (M,) float64 s
    start: float = math.nan  # seconds, where the sound begins
    stop: float = math.nan  # seconds, where it ends; known with `last`
    last: bool = False

    def knows(self, times: np.ndarray) -> np.ndarray:
        """(T,) bool: no later row can change the voice of that moment."""
        if self.last:
            return np.ones(len(times), bool)
        newest = self.times[-1] if len(self.times) else -math.inf
        return (times < self.start) | (times <= newest)

    def at(self, times: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Values (T, Dv) between the two nearest rows, 0 outside of the sound, and where there is sound (T,)."""
        heard = np.zeros(len(times), bool)
        if len(self.times):
            heard = (times >= self.start) & ((times <= self.stop) if self.last else True)
        if not heard.any():
            return self.values.new_zeros(len(times), self.values.shape[1]), heard
        right = np.searchsorted(self.times, times, side="right")
        left, right = np.maximum(right - 1, 0), np.minimum(right, len(self.times) - 1)
        gap = self.times[right] - self.times[left]
        share = np.where(gap > 0, (times - self.times[left]) / np.where(gap > 0, gap, 1), 0).astype(np.float32)
        weight = torch.from_numpy(share * heard).to(self.values.device)[:, None]
        rest = torch.from_numpy((1 - share) * heard).to(self.values.device)[:, None]
        # Two products and a sum, each rounded by itself: fused, the last bit would depend on the place in memory.
        before, after = self.values[torch.from_numpy(left)] * rest, self.values[torch.from_numpy(right)] * weight
        return before + after, heard


def _hear(state: Voice | None, voice: VoiceFeatures) -> Voice:
    """The voice with its new rows."""
    old = state or Voice(voice.values[:0], voice.times[:0])
    return Voice(
        torch.cat([old.values, voice.values]),
        np.concatenate([old.times, voice.times]),
        voice.start,
        voice.stop,
        voice.last,
    )


def _forget(voice: Voice, time: float) -> Voice:
    """Without the rows that no moment from `time` on can need."""
    first = max(0, int(np.searchsorted(voice.times, time, side="right")) - 1)
    return replace(voice, values=voice.values[first:].clone(), times=voice.times[first:])


def _join(look: FaceFeatures, voice: Voice) -> JointFeatures:
    values, heard = voice.at(look.faces.times)
    return JointFeatures(look.faces, look.values, values, heard)


@dataclass(frozen=True, eq=False)
class Waiting:
    """Faces whose voice is not known yet, and the voice."""

    look: FaceFeatures | None = None
    voice: Voice | None = None


@dataclass
class JoinFeatures:
    """Give each face row the voice of its moment, linear between the centres of the two nearest windows.

    From the start of the sound to the first centre, and from the last centre to the end of the sound, the
    nearest window holds. Where nothing was heard, `has_voice` is False and the voice 0. An instant without a face
    gets one row with NO_TRACK, so that the voice can speak alone. All faces of an instant share the voice: who
    speaks is not asked.
    """

    def start(self) -> Waiting:
        """Nothing waits."""
        return Waiting()

    def step(self, state: Waiting, look: FaceFeatures, voice: VoiceFeatures) -> tuple[Waiting, JointFeatures]:
        """The rows whose voice is known by now; all of them once the sound has ended."""
        look = _with_empty_instants(replace(look, own=None))
        look = concat([state.look, look]) if state.look else look
        known = _hear(state.voice, voice)
        clock = look.clock
        knows = known.knows(clock.times)
        stop = clock.first + (len(clock) if knows.all() else int(knows.argmin()))
        ready = look.faces.frames < stop
        given = _join(select(look, ready, clock.part(clock.first, stop)), known)
        rest = select(look, ~ready, clock.part(stop, clock.stop))
        if len(clock):
            known = _forget(known, float(clock.times[min(stop - clock.first, len(clock) - 1)]))
        return Waiting(rest, known), given


def _with_empty_instants(look: FaceFeatures) -> FaceFeatures:
    """The same rows, and one of NO_TRACK for every instant of the clock that has none."""
    clock, faces = look.clock, look.faces
    empty = np.setdiff1d(np.arange(clock.first, clock.stop), faces.frames)
    if not len(empty):
        return look
    blank = FaceFeatures(blank_faces(clock, empty), look.values.new_zeros(len(empty), look.values.shape[1]))
    joined = concat([look, blank])
    return select(joined, np.argsort(joined.faces.frames, kind="stable"), clock)


def blank_faces(clock: Clock, frames: np.ndarray) -> FaceTracks:
    """One row of NO_TRACK for each of the instants `frames` (N,)."""
    n = len(frames)
    return FaceTracks(
        clock,
        frames=frames.astype(np.int64),
        boxes=np.full((n, 4), np.nan, np.float32),
        landmarks=np.full((n, 5, 2), np.nan, np.float32),
        scores=np.full(n, np.nan, np.float32),
        track_ids=np.full(n, NO_TRACK, np.int64),
    )


@dataclass(frozen=True, eq=False)
class Ticking:
    """Ticks given, and the voice that later ones need."""

    count: int = 0
    voice: Voice | None = None
    ended: bool = False


@dataclass
class SampleVoice:
    """Read the voice at ticks of a fixed rate, from the start of the sound to its end; no row has a face.

    A clip without sound has ticks from 0 to its end, and `has_voice` is False on all of them.
    """

    fps: float = 25.0

    def __post_init__(self) -> None:
        if not 0 < self.fps <= 1000:
            raise ConfigError(f"sample_voice: fps is {self.fps}; choose a rate in ticks a second, such as 25")

    def start(self) -> Ticking:
        """No tick given."""
        return Ticking()

    def step(self, state: Ticking, voice: VoiceFeatures) -> tuple[Ticking, JointFeatures]:
        """The ticks whose voice is known by now; all of them once the sound has ended."""
        known = _hear(state.voice, voice)
        start = 0.0 if math.isnan(known.start) else known.start
        stop = state.count if state.ended else max(state.count, self._ticks(known, start, voice.clip_stop))
        times = start + np.arange(state.count, stop) / self.fps
        clock = Clock(state.count, times, np.zeros(len(times), bool), last=voice.last, pictures=False)
        faces = blank_faces(clock, np.arange(state.count, stop)) if len(times) else no_faces(clock)
        values = voice.values.new_zeros(len(times), 0)
        given = _join(FaceFeatures(faces, values), known)
        return Ticking(stop, _forget(known, start + stop / self.fps), voice.last), given

    def _ticks(self, known: Voice, start: float, clip_stop: float | None) -> int:
        """Ticks from the start of the sound that are known by now."""
        if not known.last:
            return int((known.times[-1] - start) * self.fps) if len(known.times) else 0
        stop = (clip_stop or 0.0) if math.isnan(known.start) else known.stop
        return math.ceil((stop - start) * self.fps - 1e-6)
