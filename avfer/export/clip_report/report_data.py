"""What a report shows of one clip, computed from its table: people, curves, coverage and texts, as data for JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from avfer.errors import counted
from avfer.export import metadata_of
from avfer.export.clip_report import methods_text
from avfer.export.clip_report.face_strip import FaceImage
from avfer.export.clip_report.packed_arrays import SCALE, compress, pack_rows, pack_times, quantize
from avfer.export.clip_report.report_video import ReportVideo
from avfer.export.colours import expression_colour, line_colour
from avfer.export.column_facts import ACTION_UNIT_NAMES
from avfer.export.measure_labels import action_unit_name, action_unit_title
from avfer.export.open_eyes import GAZE_COLUMNS, meaningful_numbers
from avfer.export.person_rows import ClipRows, PersonRows, column_numbers, labels_by_presence
from avfer.export.track_series import BOX_COLUMNS, POSE_COLUMNS, action_unit_columns, class_names, measured_columns
from avfer.export.weight_facts import weight_files
from avfer.segments import TOUCHING

VALUES = ("valence", "arousal")
SCORES = ("quality", "eye_closed", "speaking")  # of a face, in [0, 1]
SPEECH = "speech"  # of the whole clip, in [0, 1]
ANGLE_SCALE, UNIT_SCALE, BOX_SCALE = 100.0, 5000.0, 1.0  # steps of a degree, of an action unit, of a pixel
# Status of an instant -> its meaning and its colour, which no expression has. Colour-blind readers can distinguish any
# two of them, as the expressions in `avfer.export.colours`.
STATES = {
    "read": ("values were read from a face or a voice", "#8a939c"),
    "no_face": ("no face was found on the frame", "#c1c1c1"),
    "no_speech": ("there is no speech, and no face was found or looked for", "#8db3e7"),
    "low_quality": ("the face is covered, too small, blurred, dark or turned away", "#655d8e"),
    "no_picture": ("the audio continues without video frames", "#ecb692"),
    "no_audio": ("the clip has no audio at this time", "#927f4d"),
    "decode_error": ("the frame is damaged, or the first one after lost frames", "#a0003c"),
    "no value": ("there is no value, and the table does not state why", "#087062"),
}
OTHER_STATE = ("", "#7d6b8a")
READ = "read"  # status of an instant on which at least one row has values
UNSTATED = "no value"  # status of an instant without values for which the table states no reason
PAUSE = {"name": "pause", "text": "the table has no row for this time", "colour": "#00000000", "count": 0}
LONGEST_STEP = 1800.0  # s, between instants of a page, which stores them as int32 in microseconds


@dataclass(frozen=True, eq=False)
class ClipTable:
    """The table of one clip with all that belongs to it."""

    table: pa.Table  # rows of this clip only, with the metadata of its file
    rows: ClipRows  # the same rows by person
    video: ReportVideo  # how the page refers to it, or why it cannot
    faces: Sequence[Sequence[FaceImage]]  # of each person in `rows.people`; empty without a video


def clip_data(clip: ClipTable) -> dict[str, object]:
    """Return all that the page shows of a clip, fit for JSON without NaN."""
    table, rows, metadata = clip.table, clip.rows, metadata_of(clip.table.schema)
    names, units = _expression_names(table), action_unit_columns(table)
    order = _by_presence(rows.people, labels_by_presence(table))
    instants = _instants(rows)
    people = [_person(clip, number, instants, names, units) for number in order]
    for number, person in enumerate(people):
        person["colour"] = line_colour(number)
    start, stop = _range(rows)
    return {
        "name": rows.clip,
        "source": rows.source,
        "lead": _lead(clip, metadata),
        "times": pack_times(instants),
        "start": start,
        "stop": stop,
        "people": people,
        "expressions": [{"name": name, "colour": expression_colour(name, names)} for name in names],
        "units": [{"column": unit, "name": action_unit_name(unit), "text": _unit_text(unit)} for unit in units],
        "unitTitle": action_unit_title(units, metadata),
        "status": _status(rows, table, instants),
        "speech": _speech(table, instants),
        "video": clip.video.as_data(),
        "caveats": methods_text.caveats(metadata),
        "methods": methods_text.methods(metadata, _recording(clip, stop - start), clip.video.still),
        "bibtex": methods_text.bibtex(metadata),
        "licences": weight_files(metadata),
        "pipeline": metadata.get("pipeline", ""),
        "facts": [[key, text] for key, text in metadata.items() if key not in {"pipeline", "weights", "clip"}],
    }


def _instants(rows: ClipRows) -> np.ndarray:
    """Return the instants of a clip, and more in its pauses, which break the curves there: (T,) float64 s, increasing.

    A pause is where the rows of an instant stop before the next one begins (`avfer.segments.row_stops`).
    """
    pauses = [pause for pause in zip(rows.stops[:-1], rows.starts[1:], strict=True) if pause[1] - pause[0] > TOUCHING]
    return np.sort(np.concatenate([rows.starts, *(np.arange(*pause, LONGEST_STEP) for pause in pauses)]))


def _expression_names(table: pa.Table) -> list[str]:
    """Return the expressions of a table: those with a column of probabilities, and others that occur."""
    occurring = table["expression"].drop_null().unique().to_pylist() if "expression" in table.column_names else []
    return list(dict.fromkeys([*class_names(table), *sorted(occurring)]))


def _by_presence(people: Sequence[PersonRows], labels: Sequence[str]) -> list[int]:
    """Return the positions of people in the order of their labels, without the voice alone if it has no values."""
    shown = [number for number, person in enumerate(people) if person.tracks or _has_values(person)]
    return sorted(shown, key=lambda number: labels.index(people[number].label))


def _has_values(person: PersonRows) -> bool:
    """Return whether rows without a face have a valence or an expression."""
    labels = person.table["expression"] if "expression" in person.table.column_names else pa.nulls(0)
    return bool(person.present.any()) or labels.null_count < len(labels)


def _faces(clip: ClipTable, number: int) -> Sequence[FaceImage]:
    return clip.faces[number] if clip.faces else ()


def _range(rows: ClipRows) -> tuple[float, float]:
    """Return where the clip begins and ends in s; a clip without rows lasts a second."""
    if not len(rows.starts):
        return 0.0, 1.0
    return float(rows.starts[0]), float(max(rows.stops[-1], rows.starts[-1] + 1e-3))


def _person(
    clip: ClipTable, number: int, instants: np.ndarray, names: Sequence[str], units: Sequence[str]
) -> dict[str, object]:
    """Return the packed rows of a person, and a summary of them that weights each row by its time.

    number: position in `clip.rows.people`; instants: (T,) s, of the page; names, units: the expressions, and the
    columns of action units.
    """
    person = clip.rows.people[number]
    scales = dict.fromkeys(VALUES, SCALE) | dict.fromkeys(SCORES, SCALE) | dict.fromkeys(units, UNIT_SCALE)
    scales |= dict.fromkeys((*POSE_COLUMNS, *GAZE_COLUMNS), ANGLE_SCALE) | dict.fromkeys(BOX_COLUMNS, BOX_SCALE)
    values = {name: meaningful_numbers(person.table, name) for name in scales}
    shown = {name: column for name, column in values.items() if np.isfinite(column).any()}
    labels = person.table["expression"].to_pylist() if "expression" in person.table.column_names else []
    codes = np.array([names.index(label) if label in names else -1 for label in labels or [None] * len(person)], float)
    codes[codes < 0] = np.nan
    packed = [*(quantize(column, scales[name]) for name, column in shown.items()), quantize(codes, 1.0)]
    durations = person.stops - person.starts
    return {
        "label": person.label,
        "tracks": list(person.tracks),
        "rows": len(person),
        "present": int(person.present.sum()),
        "share": _share(clip.rows, person),
        "means": {name: _mean(values[name], durations) for name in (*VALUES, "quality")},
        "expressions": _expression_shares(labels, durations),
        "columns": [[name, scales[name]] for name in shown],
        "data": pack_rows(np.searchsorted(instants, person.starts), packed),
        "faces": [[face.time, face.image] for face in _faces(clip, number)],
    }


def _expression_shares(labels: Sequence[str | None], durations: np.ndarray) -> list[tuple[str, float]]:
    """Return each expression with its share of the time that has one, the most frequent first.

    labels: of N rows, or none if the table has no expressions; durations: (N,) s.
    """
    seconds: dict[str, float] = {}
    for label, duration in zip(labels, durations.tolist(), strict=False):
        if label:
            seconds[label] = seconds.get(label, 0.0) + duration
    order = sorted(seconds, key=lambda name: -seconds[name])
    return [(name, seconds[name] / sum(seconds.values())) for name in order]


def _share(rows: ClipRows, person: PersonRows) -> float:
    """Return the share of the time in which a person has a face or, without one, a value from the voice."""
    durations = rows.stops - rows.starts
    present = np.isin(rows.starts, person.starts[person.present])
    return float(durations[present].sum() / durations.sum()) if len(durations) else 0.0


def _mean(values: np.ndarray, weights: np.ndarray) -> float | None:
    """Return the weighted mean of the finite values, None if there is none.   values, weights: (N,); weights > 0"""
    known = np.isfinite(values)
    return round(float(np.average(values[known], weights=weights[known])), 4) if known.any() else None


def _lead(clip: ClipTable, metadata: Mapping[str, str]) -> str:
    """Return the line below the title: "130 frames in 5.2 s, 480×480 px, read by avfer 0.1.0"."""
    start, stop = _range(clip.rows)
    size = f", {metadata['video_width']}×{metadata['video_height']} px" if "video_width" in metadata else ""
    version = f", read by avfer {metadata['version']}" if "version" in metadata else ""
    extent = "picture" if clip.video.still else f"{_unit(clip.rows, clip.table)} in {stop - start:.1f} s"
    return f"{extent}{size}{version}"


def _recording(clip: ClipTable, seconds: float) -> str:
    """Return what was analysed: "picture", or "recording (5.2 s, 130 frames)"."""
    return "picture" if clip.video.still else f"recording ({seconds:.1f} s, {_unit(clip.rows, clip.table)})"


def _unit(rows: ClipRows, table: pa.Table) -> str:
    """Return the number of instants with what they are: "130 frames", or "250 rows" of a fixed clock."""
    frames = "frame" in table.column_names and table["frame"].null_count < len(table)
    return counted(len(rows.starts), "frame" if frames else "row")


def _unit_text(column: str) -> str:
    """Return the name of an action unit in the Facial Action Coding System: "lip corner puller"."""
    return ACTION_UNIT_NAMES.get(column[2:4], "")


def _status(rows: ClipRows, table: pa.Table, instants: np.ndarray) -> dict[str, object]:
    """Return for each instant whether values were read, else the reason of its first row without them.

    instants: (T,) s, of the page; those without rows have the status of a pause, which counts for nothing.
    """
    numbers = np.searchsorted(instants, table["time_s"].to_numpy(zero_copy_only=False))
    reasons = table["reason"].to_pylist() if "reason" in table.column_names else [None] * len(table)
    known = _rows_with_values(table, np.array([not reason for reason in reasons], bool))
    names = [READ, *dict.fromkeys(reason for reason in reasons if reason), UNSTATED]
    codes = np.full(len(instants), len(names) - 1, np.uint8)
    for number, reason in zip(numbers[::-1], reasons[::-1], strict=True):
        if reason:
            codes[number] = min(names.index(reason), 255)
    codes[numbers[known]] = 0
    has_rows = np.isin(instants, rows.starts)
    counts = np.bincount(codes[has_rows], minlength=len(names))
    codes[~has_rows] = min(len(names), 255)
    meanings = [STATES.get(name, OTHER_STATE) for name in names]
    states = [
        {"name": name, "text": text, "colour": colour, "count": int(count)}
        for name, (text, colour), count in zip(names, meanings, counts, strict=True)
    ]
    return {"states": [*states, PAUSE], "codes": compress(codes)}


def _rows_with_values(table: pa.Table, unexplained: np.ndarray) -> np.ndarray:
    """Return which rows have a valence or an expression or, without a reason for neither, a measure: (N,) bool.

    A network that learned action units alone predicts neither, and its table gives no reason for that.

    unexplained: (N,) bool, rows without a reason.
    """
    known = np.isfinite(column_numbers(table, "valence"))
    if "expression" in table.column_names:
        known |= np.array(table["expression"].is_valid())
    for name in measured_columns(table):
        known |= unexplained & np.isfinite(column_numbers(table, name))
    return known


def _speech(table: pa.Table, instants: np.ndarray) -> str | None:
    """Return the packed speech of each instant, the largest of its rows; None if the table has no such values.

    instants: (T,) s, of the page.
    """
    values = column_numbers(table, SPEECH)
    known = np.isfinite(values)
    if not known.any():
        return None
    numbers = np.searchsorted(instants, table["time_s"].to_numpy(zero_copy_only=False))
    speech = np.full(len(instants), -np.inf)
    np.maximum.at(speech, numbers[known], values[known])
    return compress(quantize(speech, SCALE))
