"""join_measures: give the features of each face its measures, so that the affect model can read both."""

from dataclasses import dataclass, replace

import numpy as np

from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.stages.measured_rows import UnmatchedRows, match
from avfer.types import FaceFeatures

VALUES = ("yaw_deg", "pitch_deg", "gaze_yaw_deg", "gaze_pitch_deg", "eye_closed")  # of MEASURES
JOINED = (*MEASURED_UNITS, *VALUES)  # columns that are joined


@dataclass
class JoinMeasures:
    """Join features and measures of the same frame and track.

    The action units, yaw and pitch of head and gaze, and the closure of the eyes are joined. Those of a face that was
    not measured, and action units that the network does not measure, are unknown; the affect model then reads the
    features of the face alone, as it does in a pipeline without this stage.
    """

    def start(self) -> UnmatchedRows[FaceFeatures]:
        """Return the state without rows."""
        return UnmatchedRows()

    def step(
        self, state: UnmatchedRows[FaceFeatures], features: FaceFeatures, measures: FaceMeasures
    ) -> tuple[UnmatchedRows[FaceFeatures], FaceFeatures]:
        """Return the rows on the frames that both inputs have reached; at the end of the clip, all remaining rows."""
        state, known = match(state, features, measures)
        return state, replace(known.rows, measures=known.of_rows(columns(known.measures)))


def columns(measures: FaceMeasures) -> np.ndarray:
    """Return the columns of JOINED: (N, 27) float32, action units in [0, 1], angles in degrees, closure in [0, 1]."""
    values = measures.values[:, [MEASURES.index(name) for name in VALUES]]
    return np.concatenate([measures.action_units, values], 1)
