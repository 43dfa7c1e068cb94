"""What `measure_faces` reads from each face: landmarks, action units, head pose, gaze, eye closure and quality."""

from dataclasses import dataclass

import numpy as np

from avfer.types import Clock, FaceTracks

# Action units of a measured table, in the order of its columns. Those that the network does not measure are NaN.
MEASURED_UNITS = tuple(
    f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 28, 45)
)
ANGLES = ("yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg")
MEASURES = (*ANGLES, "eye_closed", "quality")  # columns of `FaceMeasures.values`


@dataclass(frozen=True, eq=False)
class FaceMeasures:
    """The measures of N faces.

    Yaw is positive when the head or the gaze turns to the picture's right, pitch when it looks up, roll when the head
    tilts clockwise as seen; the gaze is relative to the camera. Angles are in degrees.
    """

    faces: FaceTracks  # N rows
    landmarks: np.ndarray  # (N, 146, 2) float32 (x, y) px of the displayed picture
    action_units: np.ndarray  # (N, 22) float32 activations in [0, 1] of MEASURED_UNITS
    values: np.ndarray  # (N, 7) float32, the columns of MEASURES; eye_closed and quality in [0, 1]

    def __post_init__(self) -> None:
        n = len(self.faces)
        shapes = (n, len(MEASURED_UNITS)), (n, len(MEASURES))
        if (self.action_units.shape, self.values.shape) != shapes or self.landmarks.shape[::2] != (n, 2):
            raise ValueError(f"FaceMeasures: {n} faces need landmarks (N, P, 2), action_units (N, 22), values (N, 7)")

    @property
    def clock(self) -> Clock:
        """The frames for which the rows are complete."""
        return self.faces.clock
