"""The result of a pipeline: the affect of every face on every frame, and the table that users read.

An AffectTrack is a struct of arrays with one row per frame and person. `to_table` turns it into an Arrow table, in
which a missing value is null (never NaN or 0); Parquet, CSV, JSON lines, pandas, the report, the overlay and the plot
are all made from that table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Never

import numpy as np
import pyarrow as pa

from avfer.arrow_columns import number_column, repeated_text, text_column
from avfer.baseline import Baseline, corrected_table
from avfer.errors import counted
from avfer.local_paths import local_path
from avfer.null_reasons import reason_column
from avfer.provenance import Provenance
from avfer.track_rows import column_values, join_parts, persons_of, rows_between
from avfer.types import NO_PERSON, NO_TRACK, Clock, FaceTracks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["AffectTrack"]

BOX_COLUMNS = ("face_x1", "face_y1", "face_x2", "face_y2")


@dataclass(frozen=True, eq=False)
class AffectTrack:
    """Predicted affect, ordered by frame, then track; N rows, K expressions, A action units.

    NaN marks a missing value: no face, no voice, or no head that predicts it. Rows whose track id is NO_TRACK have
    no face; their values come from the voice.

    Attributes:
        clock: the instants (decoded frames or ticks); `clock.times` is (T,) float64 in s after the first frame.
        faces: boxes (N, 4) xyxy px, scores (N,) in [0, 1], frames, track_ids and person_ids (N,) int64.
        valence, arousal: (N,) float32 in [-1, 1].
        expressions: (N, K) float32 probabilities that sum to 1; classes: K names, "happiness".
        action_units: (N, A) float32 in [0, 1]; action_unit_names: A names, "AU12"; action_unit_scale: "occurrence"
            (probability) or "activation" (measured movement), the key `au_scale` of the table's metadata.
        measures: (N, M) float32; measure_names: M columns, "yaw_deg" (see avfer.face_measures); M is 0 without them.
        landmarks: (N, P, 2) float32 (x, y) px, NaN without a face; P is 0 unless `add_measures` adds them.
        activity: (N, V) float32 in [0, 1]; activity_names: V columns, "speech" and "speaking"; V is 0 without them.
        has_voice: (N,) bool, whether the voice was read; reads_voice: whether the pipeline reads it at all.
        low_quality: (N,) bool, whether the affect was dropped because the face cannot be read (`min_quality`).
        source: clip, pipeline and weights; None for rows that were not predicted from a clip.
        baseline: how the resting value of action units is subtracted in the table; None: not at all.

    Example: `smiles = track["au12"]`, `track.between(1.0, 3.0).plot()`, `track.summary(window=10.0)`.
    """

    clock: Clock  # the instants (frames or ticks) for which these rows are complete
    faces: FaceTracks  # N rows
    valence: np.ndarray  # (N,) float32 in [-1, 1]
    arousal: np.ndarray  # (N,) float32 in [-1, 1]
    expressions: np.ndarray  # (N, K) float32 probabilities that sum to 1
    classes: tuple[str, ...]  # K names
    action_units: np.ndarray  # (N, A) float32 in [0, 1]
    action_unit_names: tuple[str, ...]  # A names: "AU01"
    has_voice: np.ndarray  # (N,) bool
    action_unit_scale: Literal["occurrence", "activation"] = "occurrence"
    measures: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))  # (N, M) float32
    measure_names: tuple[str, ...] = ()  # M columns of the table
    landmarks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 2), np.float32))  # (N, P, 2) float32 px
    activity: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))  # (N, V) float32
    activity_names: tuple[str, ...] = ()  # V columns of the table
    low_quality: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # (N,) bool
    reads_voice: bool = True  # False for a pipeline of faces alone
    source: Provenance | None = None  # clip and pipeline; None for rows that were not predicted from a clip
    baseline: Baseline | None = None  # adds corrected action units to the table; only where the rows are a whole clip

    def __post_init__(self) -> None:
        n = len(self.valence)
        if not self.measure_names:  # not measured: no column on each row
            object.__setattr__(self, "measures", np.zeros((n, 0), np.float32))
        if not self.activity_names:
            object.__setattr__(self, "activity", np.zeros((n, 0), np.float32))
        if not self.landmarks.shape[1]:
            object.__setattr__(self, "landmarks", np.zeros((n, 0, 2), np.float32))
        if not self.low_quality.any():
            object.__setattr__(self, "low_quality", np.zeros(n, bool))

    def __len__(self) -> int:
        return len(self.valence)

    @property
    def _speech(self) -> np.ndarray:
        """The probability of speech on each row: (N,) float32, NaN where it is not known."""
        known = "speech" in self.activity_names
        return self.activity[:, self.activity_names.index("speech")] if known else np.full(len(self), np.float32("nan"))

    def __getitem__(self, column: str) -> np.ndarray:
        """Return a column of the table for each of the N rows: `track["valence"]`, `track["time_s"]`, `track["au12"]`.

        Numbers have NaN where a value is missing, texts None. Raises KeyError for an unknown column.
        """
        return column_values(self, column)

    def __iter__(self) -> Never:
        raise TypeError("an AffectTrack is no sequence; use track.persons().values() or track.to_pandas()")

    def __repr__(self) -> str:
        times, unit = self.clock.times, "frame" if self.clock.pictures else "instant"
        seconds = float(times[-1] - times[0]) * len(times) / (len(times) - 1) if len(times) > 1 else 0.0
        clip = self.source.clip if self.source else "rows without a clip"
        people = ", ".join(names) if len(names := list(self.persons())) <= 3 else f"{len(names)} people"
        instants, rows = counted(len(times), unit), counted(len(self), "row")
        counts = f"{instants} in {seconds:.1f} s, {rows}, {people or 'no face'}"
        return f"<AffectTrack of {clip}: {counts}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: coverage, the curves of valence and arousal, and a line for each person."""
        from avfer.export.notebook import notebook_view

        return notebook_view(self.to_table())

    def persons(self) -> dict[str, "AffectTrack"]:
        """Return the rows of each person by name: "person 0", "track 1" if persons are unknown, "voice alone".

        Example: `for name, person in track.persons().items(): print(name, np.nanmean(person["valence"]))`.
        """
        return persons_of(self)

    def between(self, start: float, stop: float) -> "AffectTrack":
        """Return the rows with start <= time < stop, in s; without the baseline, which needs the whole clip."""
        return replace(rows_between(self, start, stop), baseline=None)

    @staticmethod
    def concat(parts: Sequence["AffectTrack"]) -> "AffectTrack":
        """Join consecutive parts of one clip into one track. Raises ConfigError for gaps and parts of other clips."""
        return join_parts(parts)

    def schema(self) -> pa.Schema:
        """Return the names and types of the table's columns, with the provenance as metadata, before any baseline.

        Classes and action units give one float32 column each: `p_happiness`, `au12`. Outputs that no head of the
        pipeline predicts have no column.
        """
        probabilities = [f"p_{name}" for name in self.classes]
        action_units = [name.lower() for name in self.action_unit_names]
        columns = [("clip", pa.string()), ("frame", pa.int64()), ("time_s", pa.float64())]
        columns += [("track", pa.int32()), ("person", pa.int32())]
        columns += [(name, pa.float32()) for name in ("face_score", *BOX_COLUMNS, "valence", "arousal")]
        columns += [("expression", pa.string())]
        numbers = (*probabilities, *action_units, *self.measure_names, *self.activity_names)
        columns += [(name, pa.float32()) for name in numbers]
        columns += [(name, pa.bool_()) for name in ("has_face", "has_voice")]
        columns += [(name, pa.string()) for name in ("source", "reason")]
        metadata = self.source.as_metadata() if self.source else {}
        metadata |= {"au_scale": self.action_unit_scale} if self.action_unit_names else {}
        return pa.schema([pa.field(name, kind) for name, kind in columns], metadata=metadata or None)

    def to_table(self) -> pa.Table:
        """Return one row per frame and track, ordered by frame, then track; missing values are null.

        An instant without any row gets one row of nulls, so every decoded frame appears. The columns `has_face` and
        `has_voice` say what a row was read from, and are never null. The column `reason` says why a row has no face or
        no affect; it is null where a face was read. With a `baseline`, corrected columns such as `au12_corrected`
        follow the action units.
        """
        faces, clock = self.faces, self.clock
        instants = _instants(self)
        order = np.lexsort((_padded(faces.track_ids, len(instants)), instants))
        instants = instants[order]
        ids = _padded(faces.track_ids, len(order))[order]
        persons = np.where(ids == NO_TRACK, NO_PERSON, _padded(faces.person_ids, len(order))[order])

        def rows(values: np.ndarray) -> np.ndarray:
            return _padded(values, len(order))[order]

        boxes, scores = rows(faces.boxes), rows(faces.scores)
        boxes[ids == NO_TRACK], scores[ids == NO_TRACK] = np.nan, np.nan
        expressions, action_units = rows(self.expressions), rows(self.action_units)
        columns: list[pa.Array] = [
            repeated_text(self.source.clip if self.source else None, len(order)),
            number_column(
                clock.frame_numbers[instants - clock.first].astype(np.int64), np.full(len(order), not clock.pictures)
            ),
            number_column(clock.times[instants - clock.first].astype(np.float64)),
            number_column(ids.astype(np.int32), ids == NO_TRACK),
            number_column(persons.astype(np.int32), persons == NO_PERSON),
            _nullable(scores),
            *(_nullable(side) for side in boxes.T),
            _nullable(rows(self.valence)),
            _nullable(rows(self.arousal)),
            _top_expressions(expressions, self.classes),
            *(_nullable(probability) for probability in expressions.T),
            *(_nullable(value) for value in action_units.T),
            *(_nullable(value) for value in rows(self.measures).T),
            *(_nullable(value) for value in rows(self.activity).T),
            number_column(ids != NO_TRACK),
            number_column(rows(self.has_voice)),
            repeated_text((self.source.source or self.source.clip) if self.source else None, len(order)),
            reason_column(
                clock.pictures,
                clock.corrupt[instants - clock.first],
                ids != NO_TRACK,
                rows(self.has_voice),
                rows(self._speech),
                rows(self.low_quality),
                self.reads_voice,
            ),
        ]
        table = pa.Table.from_arrays(columns, schema=self.schema())
        return corrected_table(table, self.baseline) if self.baseline else table

    def to_pandas(self) -> "pd.DataFrame":
        """Return the table as a DataFrame with pandas' nullable types (Int32, Float32, string, ...)."""
        import pandas as pd

        kinds = {
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.float32(): pd.Float32Dtype(),
            pa.float64(): pd.Float64Dtype(),
            pa.string(): pd.StringDtype(),
            pa.bool_(): pd.BooleanDtype(),
        }
        return self.to_table().to_pandas(types_mapper=kinds.get)

    def save(self, path: str | Path) -> Path:
        """Write the table to a .parquet, .csv or .jsonl file and return its path.

        The suffix chooses the format. The file appears whole or not at all. What made a CSV or JSON lines file is
        recorded in a hidden folder beside it, as by `avfer run`.
        Raises ConfigError for an unknown suffix or an impossible path, OutputError if the file cannot be written.
        """
        from avfer.export import find_format, metadata_of
        from avfer.export.file_records import record_metadata
        from avfer.export.table_writer import TableWriter

        path, table = local_path(path), self.to_table()
        with TableWriter(path) as writer:
            writer.append(table)
        record_metadata(path, find_format(path.suffix.removeprefix(".")), metadata_of(table.schema))
        return path

    def segments(self, *settings: str) -> "pd.DataFrame":
        """Return smiles, blinks and stretches of an expression of each person, one row each, with times in s.

        settings: change or add events, as `--set` of `avfer summarize`: "smile.on=0.6", "frown.column=au04". The
        rules are documented in `avfer.export.table_segments`. Raises ConfigError or DatasetError for a wrong setting.
        """
        from avfer.export.table_segments import read_kinds, segment_table

        return segment_table(self.to_table(), read_kinds(settings)).to_pandas()

    def summary(self, window: float | None = None) -> "pd.DataFrame":
        """Return mean, SD, quantiles, events and coverage of each person, one row each, or one for each window.

        window: length in s. The columns are documented in `avfer.export.person_statistics.summarize_people`.
        """
        from avfer.export.person_statistics import summarize_people

        return summarize_people(self.to_table(), window).to_pandas()

    def plot(self) -> "Figure":
        """Plot valence and arousal over time, with a strip of expressions beneath, as a Matplotlib figure.

        Example: `track.plot().savefig("clip.png")`. Needs matplotlib.
        """
        from avfer.export.plot import plot_table

        return plot_table(self.to_table())


def _instants(track: AffectTrack) -> np.ndarray:
    """Return the instant of every row, followed by the instants without rows: (R,) int64, R >= N."""
    frames = track.faces.frames.astype(np.int64)
    every = np.arange(track.clock.first, track.clock.stop)
    return np.concatenate([frames, np.setdiff1d(every, frames)])


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """Append missing values (NaN, False, or NO_TRACK for integers) up to `length` rows: (N, ...) -> (length, ...)."""
    filler = {"f": np.nan, "b": False, "i": NO_TRACK}[values.dtype.kind]
    more = np.full((length - len(values), *values.shape[1:]), filler, values.dtype)
    return np.concatenate([values, more])


def _nullable(values: np.ndarray) -> pa.Array:
    """Convert (R,) numbers to a float32 column in which NaN is null."""
    return number_column(values.astype(np.float32), np.isnan(values))


def _top_expressions(probabilities: np.ndarray, classes: tuple[str, ...]) -> pa.Array:
    """Return the most probable class of each row, null where probabilities are missing: (R, K) -> (R,)."""
    if not classes:
        return pa.nulls(len(probabilities), pa.string())
    missing = np.asarray(np.isnan(probabilities).any(axis=1))
    top = np.where(missing, 0, np.nan_to_num(probabilities).argmax(axis=1))
    return text_column(classes, top, missing)
