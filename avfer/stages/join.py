"""join_features and sample_voice: give each face the voice of its moment, or read the voice at fixed ticks."""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from avfer.option_types import Number, check_options
from avfer.readers.ticks import ticks_outside
from avfer.rows import blank_faces, concat, no_faces, select
from avfer.stages.voice_series import VoiceSeries, extended, split_final
from avfer.types import Clock, FaceFeatures, Gaps, JointFeatures, VoiceFeatures


def _join(face: FaceFeatures, voice: VoiceSeries) -> JointFeatures:
    """Return rows of faces with the voice of their moments."""
    values, sounding = voice.at(face.faces.times)
    return JointFeatures(face.faces, face.values, values, sounding, measures=face.measures)


@dataclass(frozen=True, eq=False)
class JoinState:
    """Faces whose voice is not known yet, and the voice that they need."""

    face: FaceFeatures | None = None  # rows that wait for their voice; None for no row
    voice: VoiceSeries | None = None


@dataclass
class JoinFeatures:
    """Give each face row the voice of its moment, interpolated linearly between the centres of the two nearest windows.

    From the start of the sound to the first centre, and from the last centre to the end of the sound, the nearest
    window is used. Outside the sound, and in digital silence, `has_voice` is False and the voice is 0. An instant
    without a face gets one row with NO_TRACK, so that affect can be predicted from the voice alone. All faces of an
    instant have the same voice; afterwards `mask_voice` drops it where there is no speech, and `find_speakers` on the
    rows of faces that do not speak.
    """

    def start(self) -> JoinState:
        """Return the state without faces and voice."""
        return JoinState()

    def step(self, state: JoinState, face: FaceFeatures, voice: VoiceFeatures) -> tuple[JoinState, JointFeatures]:
        """Return the rows whose voice is final by now; all of them once the sound has ended."""
        face = _with_empty_instants(replace(face, own_outputs=None))
        face = face if state.face is None else concat([state.face, face])
        series = extended(state.voice, voice)
        final, waiting, still_needed = split_final(face, series)
        return JoinState(waiting, still_needed), _join(final, series)


def _with_empty_instants(face: FaceFeatures) -> FaceFeatures:
    """Return the same rows, and one with NO_TRACK for every instant of the clock without a face."""
    clock, faces = face.clock, face.faces
    empty = np.setdiff1d(np.arange(clock.first, clock.stop), faces.frames)
    if not len(empty):
        return face
    unknown = None if face.measures is None else np.full((len(empty), face.measures.shape[1]), np.nan, np.float32)
    values = face.values.new_zeros(len(empty), face.values.shape[1])
    blank = FaceFeatures(blank_faces(clock, empty), values, measures=unknown)
    joined = concat([face, blank])
    return select(joined, np.argsort(joined.faces.frames, kind="stable"), clock)


@dataclass(frozen=True, eq=False)
class TickState:
    """The ticks that were output, and the voice that later ones need."""

    count: int = 0  # ticks that were output
    number: int = 0  # of the next tick, where the ticks that gaps leave out count too
    gaps: Gaps = ()  # in which there are no ticks
    voice: VoiceSeries | None = None
    ended: bool = False  # whether the voice has ended


@dataclass
class SampleVoice:
    """Read the voice at ticks of a fixed rate, from the start of the sound to its end; no row has a face.

    A clip without sound has ticks from its start to its end, and `has_voice` is False on all of them, as it is in
    digital silence. Gaps of more than a minute, in which a clip has neither frames nor sound, have no ticks.
    """

    fps: Annotated[Number, Field(ge=0.01, le=1000)] = 25.0  # Hz, of the ticks

    def __post_init__(self) -> None:
        check_options(self)

    def start(self) -> TickState:
        """Return the state before the first tick."""
        return TickState()

    def step(self, state: TickState, voice: VoiceFeatures) -> tuple[TickState, JointFeatures]:
        """Return the ticks whose voice is final by now; all of them once the sound has ended."""
        series = extended(state.voice, voice)
        start = voice.clip_start if math.isnan(series.start) else series.start
        gaps = state.gaps + voice.gaps
        stop = state.number if state.ended else max(state.number, self._ticks(series, start, voice.clip_stop))
        times = start + ticks_outside(state.number, stop, gaps, self.fps, start) / self.fps
        clock = Clock(state.count, times, np.zeros(len(times), bool), last=voice.last, pictures=False)
        faces = blank_faces(clock, np.arange(clock.first, clock.stop)) if len(times) else no_faces(clock)
        values = voice.values.new_zeros(len(times), 0)
        joined = _join(FaceFeatures(faces, values), series)
        needed = series.since(start + stop / self.fps)
        return TickState(count=clock.stop, number=stop, gaps=gaps, voice=needed, ended=voice.last), joined

    def _ticks(self, series: VoiceSeries, start: float, clip_stop: float | None) -> int:
        """Return the number of ticks from the start of the sound that are final by now."""
        if not series.last:
            return int((series.times[-1] - start) * self.fps) if len(series.times) else 0
        stop = (clip_stop or 0.0) if math.isnan(series.start) else series.stop
        return math.ceil((stop - start) * self.fps - 1e-6)
