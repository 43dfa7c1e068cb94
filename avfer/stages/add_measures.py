"""add_measures: give each row of affect the measures of its face."""

from dataclasses import dataclass, replace

import numpy as np

from avfer.affect_track import AffectTrack
from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.option_types import Share, check_options
from avfer.stages.measured_rows import MatchedRows, UnmatchedRows, match


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

    def start(self) -> UnmatchedRows[AffectTrack]:
        """Return the state without rows."""
        return UnmatchedRows()

    def step(
        self, state: UnmatchedRows[AffectTrack], affect: AffectTrack, measures: FaceMeasures
    ) -> tuple[UnmatchedRows[AffectTrack], AffectTrack]:
        """Return the rows on the frames that both inputs have reached; at the end of the clip, all remaining rows."""
        state, known = match(state, affect, measures)
        return state, self._joined(known)

    def _joined(self, known: MatchedRows[AffectTrack]) -> AffectTrack:
        measures, values = known.measures, known.of_rows(known.measures.values)
        landmarks = measures.landmarks if self.landmarks else measures.landmarks[:, :0]
        low = values[:, MEASURES.index("quality")] < self.min_quality
        return replace(
            without_affect(known.rows, low),
            action_units=known.of_rows(measures.action_units),
            action_unit_names=MEASURED_UNITS,
            action_unit_scale="activation",
            measures=values,
            measure_names=MEASURES,
            landmarks=known.of_rows(landmarks),
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
