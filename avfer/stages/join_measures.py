"""join_measures: give the features of each face its measures, so that the affect model can read both."""

from dataclasses import dataclass, replace

import numpy as np

from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.rows import concat, matching_rows, select
from avfer.types import FaceFeatures

VALUES = ("yaw_deg", "pitch_deg", "gaze_yaw_deg", "gaze_pitch_deg", "eye_closed")  # of MEASURES
JOINED = (*MEASURED_UNITS, *VALUES)  # columns that are joined


@dataclass(frozen=True, eq=False)
class WaitingFeatures:
    """Rows of either input whose other half is not known yet."""

    features: FaceFeatures | None = None  # None before the first step
    measures: FaceMeasures | None = None  # None before the first step


@dataclass
class JoinMeasures:
    """Join features and measures of the same frame and track.

    The action units, yaw and pitch of head and gaze, and the closure of the eyes are joined. Those of a face that was
    not measured, and action units that the network does not measure, are unknown; the affect model then reads the
    features of the face alone, as it does in a pipeline without this stage.
    """

    def start(self) -> WaitingFeatures:
        """Return the state without rows."""
        return WaitingFeatures()

    def step(
        self, state: WaitingFeatures, features: FaceFeatures, measures: FaceMeasures
    ) -> tuple[WaitingFeatures, FaceFeatures]:
        """Return the rows of the frames of which both are known; all of them at the end of the clip."""
        features = concat([state.features, features]) if state.features else features
        measures = concat([state.measures, measures]) if state.measures else measures
        first, stop = features.clock.first, min(features.clock.stop, measures.clock.stop)
        ready = features.faces.frames < stop
        known = select(features, ready, features.clock.part(first, stop))
        row = matching_rows(known.faces, measures.faces)
        unknown = np.full((1, len(JOINED)), np.nan, np.float32)
        joined = replace(known, measures=np.concatenate([columns(measures), unknown])[row])  # -1: the last one
        rest = select(features, ~ready, features.clock.part(stop, features.clock.stop))
        later = measures.faces.frames >= stop
        return WaitingFeatures(rest, select(measures, later, measures.clock.part(stop, measures.clock.stop))), joined


def columns(measures: FaceMeasures) -> np.ndarray:
    """Return the columns of JOINED: (N, 27) float32, action units in [0, 1], angles in degrees, closure in [0, 1]."""
    values = measures.values[:, [MEASURES.index(name) for name in VALUES]]
    return np.concatenate([measures.action_units, values], 1)
