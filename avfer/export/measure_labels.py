"""Titles, names and axes of the charts of what is measured on faces: action units, head pose and gaze."""

from collections.abc import Mapping, Sequence

import numpy as np

from avfer.baseline import CORRECTED
from avfer.export.track_series import TrackSeries

MIN_LIMIT, TICK_DEGREES = 15, 15  # degrees, smallest end of an axis of angles, and what its end is a multiple of
ANGLES = {  # column -> name of the panel, direction of positive angles as seen in the picture
    "yaw_deg": ("Head yaw", "to the right"),
    "pitch_deg": ("Head pitch", "up"),
    "roll_deg": ("Head roll", "clockwise"),
    "gaze_yaw_deg": ("Gaze yaw", "to the right"),
    "gaze_pitch_deg": ("Gaze pitch", "up"),
}


def action_unit_name(column: str) -> str:
    """Return the name of an action unit from its column: "au12_corrected" gives "AU12"."""
    return column[:4].upper()


def has_values(person: TrackSeries, columns: Sequence[str]) -> bool:
    """Return whether a track has a value in one of the columns."""
    return any(bool((~np.isnan(person.measures[column])).any()) for column in columns)


def present_columns(people: Sequence[TrackSeries], columns: Sequence[str]) -> list[str]:
    """Return those of the columns that the series have; all series of a table have the same."""
    return [column for column in columns if people and column in people[0].measures]


def action_unit_title(columns: Sequence[str], metadata: Mapping[str, str]) -> str:
    """Return what the values of action units are: "Action units: activation (measured movement), 0 to 1".

    columns: those that are drawn; metadata: of the table, whose `au_scale` is "activation" or "occurrence", or absent.
    """
    scales = {"activation": "activation (measured movement)", "occurrence": "occurrence (probability)"}
    scale = scales.get(metadata.get("au_scale", ""), "scale not stated in the table")
    corrected = " minus the person's resting value" if any(column.endswith(CORRECTED) for column in columns) else ""
    return f"Action units: {scale}{corrected}, 0 to 1"


def angle_limit(people: Sequence[TrackSeries], columns: Sequence[str]) -> float:
    """Return the end of a symmetrical axis for angles, in degrees: a multiple of TICK_DEGREES."""
    values = np.concatenate([person.measures[column] for person in people for column in columns])
    largest = float(np.nanmax(np.abs(values), initial=MIN_LIMIT))
    return TICK_DEGREES * float(np.ceil(largest / TICK_DEGREES))
