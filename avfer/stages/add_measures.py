"""add_measures: give each row of affect the measures of its face."""

from dataclasses import dataclass, replace

import numpy as np

from avfer.affect_track import AffectTrack
from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.option_types import Share, check_options
from avfer.rows import concat, matching_rows, select


@dataclass(frozen=True, eq=False)
class WaitingMeasures:
    """Rows of either input whose other half is not known yet."""

    affect: AffectTrack | None = None  # None before the first step
    measures: FaceMeasures | None = None  # None before the first step


@dataclass
class AddMeasures:
    """Join affect and measures of the same frame and track.

    The action units are the measured activations, in place of those that a network derived from expressions. A row
    without a face has no measures. `landmarks` adds the points of each face, which `run` and `label` write
    into a second table. Faces whose quality is below `min_quality` keep their measures, but lose valence, arousal and
    expressions, with the reason `low_quality`; 0 drops none.
    """

    landmarks: bool = False  # whether the rows carry the 146 landmarks
    min_quality: Share = 0.0  # lowest quality of a face, in [0, 1], for which affect is output

    def __post_init__(self) -> None:
        check_options(self)

    def start(self) -> WaitingMeasures:
        """Return the state without rows."""
        return WaitingMeasures()

    def step(
        self, state: WaitingMeasures, affect: AffectTrack, measures: FaceMeasures
    ) -> tuple[WaitingMeasures, AffectTrack]:
        """Return the rows of the frames of which both are known; all of them at the end of the clip."""
        affect = concat([state.affect, affect]) if state.affect else affect
        measures = concat([state.measures, measures]) if state.measures else measures
        first, stop = affect.clock.first, min(affect.clock.stop, measures.clock.stop)
        ready = affect.faces.frames < stop
        joined = self._joined(select(affect, ready, affect.clock.part(first, stop)), measures)
        rest = select(affect, ~ready, affect.clock.part(stop, affect.clock.stop))
        later = measures.faces.frames >= stop
        return WaitingMeasures(rest, select(measures, later, measures.clock.part(stop, measures.clock.stop))), joined

    def _joined(self, affect: AffectTrack, measures: FaceMeasures) -> AffectTrack:
        row = matching_rows(affect.faces, measures.faces)
        landmarks = measures.landmarks if self.landmarks else measures.landmarks[:, :0]
        values = _taken(measures.values, row)
        low = values[:, MEASURES.index("quality")] < self.min_quality
        return replace(
            without_affect(affect, low),
            action_units=_taken(measures.action_units, row),
            action_unit_names=MEASURED_UNITS,
            action_unit_scale="activation",
            measures=values,
            measure_names=MEASURES,
            landmarks=_taken(landmarks, row),
            low_quality=low,
        )


def without_affect(affect: AffectTrack, rows: np.ndarray) -> AffectTrack:
    """Return affect with NaN for valence, arousal and expressions on some rows. rows: (N,) bool."""

    def known(values: np.ndarray) -> np.ndarray:
        return np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), np.float32(np.nan), values)

    return replace(
        affect,
        valence=known(affect.valence),
        arousal=known(affect.arousal),
        expressions=known(affect.expressions),
    )


def _taken(values: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the values of some rows, NaN where the row is -1: (M, ...), (N,) -> (N, ...)."""
    padded = np.concatenate([values, np.full((1, *values.shape[1:]), np.nan, values.dtype)])
    return padded[row]
