"""What each column of a table means: its label, unit, range and type, and whether `avfer summarize` reads it.

The labels of action units are the names of the Facial Action Coding System (Ekman, Friesen and Hager 2002).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from avfer.errors import DatasetError
from avfer.export import metadata_of

NUMBER = pa.float32()
ACTION_UNIT = re.compile(r"au(\d\d)(_\w+)?")
PROBABILITY = re.compile(r"p_\w+")
ACTION_UNIT_NAMES = {
    "01": "inner brow raiser",
    "02": "outer brow raiser",
    "04": "brow lowerer",
    "05": "upper lid raiser",
    "06": "cheek raiser",
    "07": "lid tightener",
    "09": "nose wrinkler",
    "10": "upper lip raiser",
    "12": "lip corner puller",
    "14": "dimpler",
    "15": "lip corner depressor",
    "16": "lower lip depressor",
    "17": "chin raiser",
    "18": "lip pucker",
    "20": "lip stretcher",
    "22": "lip funneler",
    "23": "lip tightener",
    "24": "lip pressor",
    "25": "lips part",
    "26": "jaw drop",
    "28": "lip suck",
    "45": "blink",
}
SCALES = {  # value of `au_scale` in the metadata -> what the numbers are
    "occurrence": "probability that the action unit occurs, in [0, 1]",
    "activation": "activation, a measured movement, in [0, 1]",
    "": "in [0, 1]; the table does not state whether probability of occurrence or activation",
}
NOT_AN_INTENSITY = "FACS intensities (A to E) are another scale"


@dataclass(frozen=True)
class ColumnFacts:
    """The facts of one column."""

    label: str  # "Head yaw, positive to the right of the picture"
    unit: str = ""  # "s", "px", "deg"; empty for a number without a unit and for text
    low: float | None = None  # smallest possible value; None: no limit
    high: float | None = None  # largest possible value
    kind: pa.DataType = NUMBER  # of a column that avfer fills; one from the user's manifest has the type of its file
    summarized: bool = False  # whether `avfer summarize` gives its mean, quantiles, ...


FACTS = {
    "clip": ColumnFacts("File name of the clip", kind=pa.string()),
    "frame": ColumnFacts("Index of the decoded frame, from 0", low=0, kind=pa.int64()),
    "time_s": ColumnFacts("Time since the first video frame", "s", kind=pa.float64()),
    "track": ColumnFacts("Number of the face track", low=0, kind=pa.int32()),
    "person": ColumnFacts("Number of the person", low=0, kind=pa.int32()),
    "face_score": ColumnFacts("Score of the face detection", low=0, high=1, summarized=True),
    "face_x1": ColumnFacts("Left side of the face box", "px"),
    "face_y1": ColumnFacts("Upper side of the face box", "px"),
    "face_x2": ColumnFacts("Right side of the face box", "px"),
    "face_y2": ColumnFacts("Lower side of the face box", "px"),
    "valence": ColumnFacts("Valence, negative to positive", low=-1, high=1, summarized=True),
    "arousal": ColumnFacts("Arousal, calm to excited", low=-1, high=1, summarized=True),
    "expression": ColumnFacts("Most probable expression", kind=pa.string()),
    "yaw_deg": ColumnFacts("Head yaw, positive to the right of the picture", "deg", -180, 180, summarized=True),
    "pitch_deg": ColumnFacts("Head pitch, positive upwards", "deg", -180, 180, summarized=True),
    "roll_deg": ColumnFacts("Head roll, positive clockwise as seen", "deg", -180, 180, summarized=True),
    "gaze_yaw_deg": ColumnFacts("Gaze yaw, positive to the right of the picture", "deg", -180, 180, summarized=True),
    "gaze_pitch_deg": ColumnFacts("Gaze pitch, positive upwards", "deg", -180, 180, summarized=True),
    "gaze_roll_deg": ColumnFacts("gaze_roll_deg", summarized=True),  # reserved; no network gives it
    "eye_closed": ColumnFacts("Closure of the less closed eye", low=0, high=1, summarized=True),
    "quality": ColumnFacts("Quality of the face crop", low=0, high=1, summarized=True),
    "speech": ColumnFacts("Probability that somebody speaks", low=0, high=1, summarized=True),
    "speaking": ColumnFacts(
        "This face speaks: score from speech and the movement of its mouth", low=0, high=1, summarized=True
    ),
    "has_face": ColumnFacts("Row was read from a face", kind=pa.bool_()),
    "has_voice": ColumnFacts("Row was read from the voice", kind=pa.bool_()),
    "source": ColumnFacts("Path of the clip below the input", kind=pa.string()),
    "reason": ColumnFacts("Why the row has no face or no affect", kind=pa.string()),
}


def action_unit_scale(table: pa.Table) -> str:
    """Return the scale of the action units of a table: "occurrence", "activation", or "" if it is not stated.

    CSV and JSON lines hold no metadata, and tables of avfer 0.1 do not state it.
    """
    scale = metadata_of(table.schema).get("au_scale", "")
    return scale if scale in SCALES else ""


def describe_column(name: str, scale: str = "") -> ColumnFacts:
    """Return the facts of a column; of one from the user's manifest, its name as the label.

    scale: of the action units, as `action_unit_scale` returns it.
    """
    if (found := ACTION_UNIT.fullmatch(name)) and found[2] in {None, "_corrected"}:
        movement = ACTION_UNIT_NAMES.get(found[1])
        corrected = " above the person's resting value" if found[2] else ""
        title = f"AU{found[1]} {movement}" if movement else f"AU{found[1]}"
        return ColumnFacts(f"{title}{corrected}: {SCALES[scale]}", low=0, high=1)
    if name.startswith("p_"):
        return ColumnFacts(f"Probability of {name.removeprefix('p_')}", low=0, high=1)
    return FACTS.get(name, ColumnFacts(name))


def column_type(name: str) -> pa.DataType | None:
    """Return the type of a column that avfer fills: one of FACTS, an action unit or a probability; None for others."""
    if ACTION_UNIT.fullmatch(name) or PROBABILITY.fullmatch(name):
        return NUMBER
    return FACTS[name].kind if name in FACTS else None


def is_own_column(name: str) -> bool:
    """Return whether avfer fills a column of this name itself, so that no column of the user may have it."""
    return column_type(name) is not None


def is_summarized(name: str) -> bool:
    """Return whether a column is one of the measures that `avfer summarize` gives statistics of."""
    return bool(ACTION_UNIT.fullmatch(name)) or (name in FACTS and FACTS[name].summarized)


def series_columns(table: pa.Table) -> list[str]:
    """Return the columns of avfer with numbers that change over time and have a value, in the order of the table."""
    left_out = {"frame", "time_s", "track", "person"}
    return [
        field.name
        for field in table.schema
        if pa.types.is_floating(field.type)
        and field.name not in left_out
        and describe_column(field.name).label != field.name
        and table[field.name].null_count < len(table)
    ]


def check_columns(table: pa.Table, columns: Sequence[str]) -> None:
    """Raise DatasetError unless a table has all these columns."""
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DatasetError(f"the table has no column {', '.join(missing)}; give it as avfer run wrote it")


def check_series(table: pa.Table, columns: Sequence[str]) -> None:
    """Raise DatasetError unless all these columns are in a table and have numbers; their values may be missing."""
    numbers = [field.name for field in table.schema if pa.types.is_floating(field.type) and field.name != "time_s"]
    unknown = [name for name in columns if name not in numbers]
    if unknown:
        found = ", ".join(numbers)
        raise DatasetError(f"columns: the table has no numbers in {', '.join(unknown)}; it has {found or 'none'}")
