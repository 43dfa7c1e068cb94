"""Statistics of each person in a table, and of each window of time: one row each, for R, SPSS and pandas.

Every statistic is weighted by time: a row of the table counts for the time until the next instant of its clip, see
`avfer.segments.row_stops`. So the values do not depend on the frame rate, nor on whether it is variable. Missing values
have no weight. The columns are those of `summarize_people`.
"""

import json
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from avfer.errors import AvferWarning, ConfigError, DatasetError, shortened
from avfer.export import metadata_of
from avfer.export.column_facts import is_own_column, is_summarized
from avfer.export.open_eyes import meaningful_numbers
from avfer.export.person_rows import ClipRows, PersonRows, clips_of
from avfer.export.table_segments import (
    EVENTS,
    EXPRESSION,
    METADATA,
    EventKind,
    describe_rules,
    find_segments,
    parameters,
)
from avfer.export.track_series import class_names
from avfer.segments import Segment

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
FIXED = pa.schema(
    [
        ("clip", pa.string()),
        ("source", pa.string()),
        ("person", pa.int32()),
        ("tracks", pa.string()),
        ("read_from", pa.string()),
        ("window", pa.int64()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("frames", pa.int64()),
        ("present_s", pa.float64()),
        ("coverage", pa.float64()),
    ]
)
LAST = ("au_scale", "event_rules")  # columns of text at the end


def summarize_people(table: pa.Table, window: float | None = None, kinds: Mapping[str, EventKind] = EVENTS) -> pa.Table:
    """Return the statistics of every clip and person of a table, one row each, or one for each window.

    table: the columns of `AffectTrack.to_table`; `person`, `source` and any measure may be missing.
    window: length in s; window k covers the times from k * window to (k + 1) * window, exclusive. A row of the table
    counts in the window where it starts, and so does an event, with its whole duration. A person has a row for each
    window of the clip, also those without a face of the person. None: the clip is one window.
    kinds: of the events, by name.

    Columns of the result:
    - clip, source, person (null where persons were not identified), tracks ("1 4"), read_from: "face", "voice" (rows
      without a face that have values) or "nothing" (a clip without any face or voice);
    - window (0, 1, ...; null without windows), start_s, stop_s: limits of the window within the clip;
    - frames: instants of the clip in the window; present_s: time covered by the person's rows, of the voice by those
      with values; coverage: the share of present_s in the time of all instants, in [0, 1];
    - the columns of the user's manifest such as subject or session, as on the first row of the clip, but for names that
      a column here has;
    - for each measure X such as valence, au12, yaw_deg or quality: X_s (time with a value), X_mean, X_sd (population),
      X_q05, X_q25, X_median, X_q75, X_q95 (smallest value at or below which that share of the time lies); gaze has a
      value while the eyes are open, `eye_closed` below 0.5;
    - expression_s: time with an expression; share_happiness, ...: share of each in it, they sum to 1;
    - for each kind of event such as smile: smile_count, smile_per_min (of the time with a value of its column),
      smile_mean_s (duration), smile_total_s; null if the table has no column for it, no value of it, or a single row
      of the person, as for a photograph;
    - au_scale: "occurrence" or "activation", what the action units measure; null if the table does not state it;
    - event_rules: the columns and thresholds of the events.

    Statistics of no value are null; a count of events in time with values is then 0. Raises ConfigError for a window
    that is not positive, DatasetError for an event whose column is missing or has no numbers.
    """
    if window is not None and not 0 < window < math.inf:
        raise ConfigError(f"window: must be > 0 s, got {window}")
    kinds = {name: kind for name, kind in kinds.items() if EXPRESSION not in kind.columns}
    statistics = _schema(table, kinds)
    users = [field for field in table.schema if not is_own_column(field.name) and field.name not in statistics.names]
    shared = {"au_scale": metadata_of(table.schema).get("au_scale"), "event_rules": describe_rules(kinds, table)}
    rows: list[dict[str, Any]] = []
    for clip in clips_of(table):
        of_clip = {field.name: clip.people[0].table[field.name][0].as_py() for field in users}
        rows += [of_clip | row | shared for row in _clip_rows(clip, window, kinds)]
    schema = pa.schema([*FIXED, *users, *list(statistics)[len(FIXED) :]])
    facts = {"window_s": json.dumps(window), METADATA: json.dumps(parameters(kinds, table))}
    return pa.Table.from_pylist(rows, schema=schema.with_metadata(metadata_of(table.schema) | facts))


def join_summaries(summaries: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several results of `summarize_people` in one table, at least one, in their order.

    A column that only some have is null in the others' rows. The metadata are those that all have in common. Warns if
    the tables behind them were made by several pipelines, or if several have rows of a clip of the same name. Raises
    DatasetError if a column of a manifest holds numbers in some and text in others.
    """
    _warn_of_same_clips(summaries)
    facts = [metadata_of(summary.schema) for summary in summaries]
    pipelines = {fact["pipeline_sha256"] for fact in facts if "pipeline_sha256" in fact}
    if len(pipelines) > 1:
        message = f"the tables were made by {len(pipelines)} different pipelines; compare their values with care"
        warnings.warn(message, AvferWarning, stacklevel=2)
    common = {key: text for key, text in facts[0].items() if all(fact.get(key) == text for fact in facts)}
    plain = [one.replace_schema_metadata(None) for one in summaries]
    try:
        joined = pa.concat_tables(plain, promote_options="permissive")
    except pa.ArrowException as error:
        problem = "the tables have manifests that do not fit together"
        raise DatasetError(f"{problem}: {error}; summarize them apart") from error
    order = [*(name for name in joined.column_names if name not in LAST), *LAST]
    return joined.select(order).replace_schema_metadata(common)


def _warn_of_same_clips(summaries: Sequence[pa.Table]) -> None:
    """Warn of clips that several summaries have, because their rows cannot be distinguished."""
    names = [set(zip(one["source"].to_pylist(), one["clip"].to_pylist(), strict=True)) for one in summaries]
    tables = Counter(name for found in names for name in found)
    repeated = sorted(str(source or clip) for (source, clip), count in tables.items() if count > 1)
    if repeated:
        problem = "their rows cannot be distinguished; summarize each table alone, or leave one of them out"
        message = f"several tables have rows of a clip of the same name ({shortened(repeated, 3)}): {problem}"
        warnings.warn(message, AvferWarning, stacklevel=3)


def measures(table: pa.Table) -> list[str]:
    """Return the columns of a table that are summarized: valence, arousal, action units, angles, quality, ..."""
    return [name for name in table.column_names if is_summarized(name)]


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Return the smallest value at or below which a share of the weight lies (the inverse of the weighted ECDF).

    values: (N,) float without NaN, N >= 1; weights: (N,) float > 0; share: in (0, 1].

    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), 0.5)
    2.0
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-9)))
    return float(values[order][place])


def _schema(table: pa.Table, kinds: Mapping[str, EventKind]) -> pa.Schema:
    """Return the names and types of the statistics, which depend on the columns of the table only."""
    statistics = ("s", "mean", "sd", *QUANTILES)
    names = [f"{measure}_{name}" for measure in measures(table) for name in statistics]
    if expressions := class_names(table):
        names += ["expression_s", *(f"share_{name}" for name in expressions)]
    columns = [*FIXED, *(pa.field(name, pa.float64()) for name in names)]
    for name in kinds:
        columns += [pa.field(f"{name}_count", pa.int64())]
        columns += [pa.field(f"{name}_{what}", pa.float64()) for what in ("per_min", "mean_s", "total_s")]
    return pa.schema([*columns, *(pa.field(name, pa.string()) for name in LAST)])


@dataclass(frozen=True, eq=False)
class _Events:
    """The events of one person and kind."""

    items: tuple[Segment, ...]
    windows: np.ndarray  # (E,) int64, number of the window in which each starts
    known: np.ndarray  # (M,) bool, rows with a value of the kind's column

    @classmethod
    def of(cls, person: PersonRows, name: str, kind: EventKind, window: float | None) -> Self:
        """Find the events of a kind called `name`; a table without the kind's columns gives no known rows."""
        column, found = kind.column_in(person.table), find_segments(person, name, kind)
        if column is None or found is None:
            return cls((), np.zeros(0, np.int64), np.zeros(len(person), bool))
        starts = np.array([one.start for one in found])
        return cls(found.items, _window_numbers(starts, window), ~np.isnan(person.numbers(column)))

    def counts(self, name: str, number: int, rows: np.ndarray, durations: np.ndarray) -> dict[str, float | None]:
        """Return number, rate and durations of the events in a window, nothing without a value of the column.

        number: of the window; rows: (M,) bool, those in it; durations: (R,) float s, of these rows.
        """
        seconds = float(durations[self.known[rows]].sum())
        if not seconds:
            return {}
        lengths = [one.duration for one, window in zip(self.items, self.windows, strict=True) if window == number]
        return {
            f"{name}_count": len(lengths),
            f"{name}_per_min": 60 * len(lengths) / seconds,
            f"{name}_mean_s": sum(lengths) / len(lengths) if lengths else None,
            f"{name}_total_s": sum(lengths),
        }


def _clip_rows(clip: ClipRows, window: float | None, kinds: Mapping[str, EventKind]) -> Iterator[dict[str, Any]]:
    """Yield the row of each person and window of a clip, by name of the column."""
    of_instants = _window_numbers(clip.starts, window)
    for person in clip.people:
        of_rows = _window_numbers(person.starts, window)
        values = {name: meaningful_numbers(person.table, name) for name in measures(person.table)}
        expressions = _expressions(person.table)
        events = {name: _Events.of(person, name, kind, window) for name, kind in kinds.items()}
        for number in np.unique(of_instants):
            instants, rows = of_instants == number, of_rows == number
            row = _presence(clip, person, instants, rows) | {"window": None if window is None else int(number)}
            durations = person.stops[rows] - person.starts[rows]
            for name, series in values.items():
                row |= _measure_statistics(name, series[rows], durations)
            row |= _expression_shares(expressions[rows], durations, class_names(person.table))
            for name, found in events.items():
                row |= found.counts(name, number, rows, durations)
            yield row


def _window_numbers(times: np.ndarray, window: float | None) -> np.ndarray:
    """Return the number of the window of each time, 0 without windows: (N,) s -> (N,) int64."""
    if window is None:
        return np.zeros(len(times), np.int64)
    return np.floor(times / window + 1e-9).astype(np.int64)


def _presence(clip: ClipRows, person: PersonRows, instants: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """Return clip, person and time of a row of the result, and the share of that time in which the person is present.

    instants: (T,) bool, those of the clip in the window; rows: (M,) bool, those of the person.
    """
    total = float((clip.stops[instants] - clip.starts[instants]).sum())
    present = rows & person.present
    present_s = float((person.stops[present] - person.starts[present]).sum())
    return {
        "clip": clip.clip,
        "source": clip.source,
        "person": person.person,
        "tracks": " ".join(map(str, person.tracks)),
        "read_from": "face" if person.tracks else "voice" if person.present.any() else "nothing",
        "start_s": float(clip.starts[instants].min()),
        "stop_s": float(clip.stops[instants].max()),
        "frames": int(instants.sum()),
        "present_s": present_s,
        "coverage": present_s / total,
    }


def _measure_statistics(name: str, values: np.ndarray, durations: np.ndarray) -> dict[str, float]:
    """Return the statistics of one measure, weighted by time; without any value only the time, 0 s.

    values: (M,) float, NaN where missing; durations: (M,) float s.
    """
    known = ~np.isnan(values)
    values, weights = values[known], durations[known]
    if not len(values):
        return {f"{name}_s": 0.0}
    mean = float(np.average(values, weights=weights))
    variance = float(np.average((values - mean) ** 2, weights=weights))
    quantiles = {f"{name}_{key}": weighted_quantile(values, weights, share) for key, share in QUANTILES.items()}
    return {f"{name}_s": float(weights.sum()), f"{name}_mean": mean, f"{name}_sd": math.sqrt(variance)} | quantiles


def _expressions(table: pa.Table) -> np.ndarray:
    """Return the expression of each row, "" where it is missing: (M,) str."""
    if EXPRESSION not in table.column_names:
        return np.full(len(table), "")
    return np.array(table[EXPRESSION].fill_null("").to_pylist(), dtype=str)


def _expression_shares(labels: np.ndarray, durations: np.ndarray, names: list[str]) -> dict[str, float]:
    """Return the time with an expression, and the share of each expression in it if there is any.

    labels: (M,) str, "" where missing; durations: (M,) float s; names: of all expressions, which may be none.
    """
    total = float(durations[labels != ""].sum())
    if not names:
        return {}
    shares = {f"share_{name}": float(durations[labels == name].sum()) / total for name in names} if total else {}
    return {"expression_s": total} | shares
