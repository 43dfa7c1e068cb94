"""The segments of each person in a table: smiles, blinks, stretches of an expression, and events of any column.

`AffectTrack.segments`, the summaries and all exporters of segments use `find_segments`; `avfer.segments` has the rules.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from avfer.errors import ConfigError, DatasetError, unknown
from avfer.export import metadata_of
from avfer.export.person_rows import PersonRows, clips_of
from avfer.segments import SegmentRule, Segments, find_events, find_stretches
from avfer.yaml_reader import parse_override

EXPRESSION = "expression"  # the column of text; its segments are stretches of one label
SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("source", pa.string()),
        ("person", pa.int32()),  # null where the pipeline did not identify persons
        ("track", pa.int32()),  # on which the segment starts; null without a face
        ("event", pa.string()),  # "smile", "blink", "expression"
        ("label", pa.string()),  # the name of the event, or of the expression
        ("column", pa.string()),  # which column was read
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("duration_s", pa.float64()),
        ("mean", pa.float64()),  # of the column; of an expression, its probability
        ("peak", pa.float64()),
        ("peak_s", pa.float64()),  # time of the peak
    ]
)
METADATA = "segments"  # key of the metadata with the rules


@dataclass(frozen=True)
class EventKind:
    """A kind of event: the columns that show it, and the rule of its segments."""

    columns: tuple[str, ...]  # the first one that a table has is read
    rule: SegmentRule = field(default_factory=SegmentRule)  # thresholds and durations
    required: bool = False  # whether a table without any of the columns is an error; otherwise it has no such events

    def column_in(self, table: pa.Table) -> str | None:
        """Return the column that is read, None if the table has none of them.

        Raises DatasetError if one is required, or if the column found has no numbers.
        """
        column = next((name for name in self.columns if name in table.column_names), None)
        if column is None and self.required:
            names = ", ".join(table.column_names)
            raise DatasetError(f"events of {' or '.join(self.columns)}: the table has no such column, only {names}")
        if column not in {None, EXPRESSION} and not _is_number(table.schema.field(column).type):
            kind = table.schema.field(column).type
            raise DatasetError(f"events of {column}: the column must have numbers, but its type is {kind}")
        return column


# Conventional values, not fitted to any network: a spontaneous smile lasts 0.5 to 4 s (Frank, Ekman and Friesen 1993),
# a blink 0.1 to 0.4 s (Caffier et al. 2003); both recalled, not re-checked.
EVENTS: Mapping[str, EventKind] = {
    "smile": EventKind(("au12",), SegmentRule(on=0.5, off=0.3, min_duration=0.2, max_gap=0.2)),
    "blink": EventKind(("eye_closed", "au45"), SegmentRule(on=0.5, off=0.3, max_duration=0.5)),
    EXPRESSION: EventKind((EXPRESSION,), SegmentRule(min_duration=0.2, max_gap=0.2)),
}


def segment_table(table: pa.Table, kinds: Mapping[str, EventKind] = EVENTS) -> pa.Table:
    """Return the segments of every clip and person in a table, one row each, with the columns of SCHEMA.

    table: the columns of `AffectTrack.to_table`; `person` may be missing, and so may the columns of a kind, which then
    has no segments. kinds: by name. Rows are ordered by clip, person, kind and start. The metadata are those of
    the table, and the rules as JSON under "segments".

    >>> track = avfer.load("aver").run("clip.mp4")  # doctest: +SKIP
    >>> segment_table(track.to_table()).to_pandas()[["label", "start_s", "stop_s", "peak"]]  # doctest: +SKIP
    """
    rows: list[dict[str, Any]] = []
    for clip in clips_of(table):
        for person in clip.people:
            for name, kind in kinds.items():
                rows += _rows(person, name, kind)
    metadata = metadata_of(table.schema) | {METADATA: json.dumps(parameters(kinds, table))}
    return pa.Table.from_pylist(rows, schema=SCHEMA.with_metadata(metadata))


def find_segments(person: PersonRows, name: str, kind: EventKind) -> Segments | None:
    """Return the segments of a kind called `name` of one person.

    None if none of the kind's columns has a value, or if the person has a single row: closed eyes in a photograph are
    no blink.
    """
    column = kind.column_in(person.table)
    if column is None or len(person) == 1 or person.table[column].null_count == len(person):
        return None
    if column != EXPRESSION:
        return find_events(person.starts, person.stops, person.numbers(column), kind.rule, name)
    labels = np.array(person.table[EXPRESSION].fill_null("").to_pylist(), dtype=str)
    values = np.full(len(labels), np.nan)
    for label in set(labels.tolist()) - {""}:
        values[labels == label] = person.numbers(f"p_{label}")[labels == label]
    return find_stretches(person.starts, person.stops, labels, values, kind.rule)


def parameters(kinds: Mapping[str, EventKind], table: pa.Table) -> dict[str, dict[str, Any]]:
    """Return the column (None if the table has none) and the rule of every kind, by name, for JSON."""
    return {name: {"column": kind.column_in(table), **_used(kind)} for name, kind in kinds.items()}


def describe_rules(kinds: Mapping[str, EventKind], table: pa.Table) -> str:
    """Return the rules as one line: "smile: au12 on 0.5 off 0.3 min_duration 0.2 max_gap 0.2; blink: ..."."""
    texts: list[str] = []
    for name, facts in parameters(kinds, table).items():
        column = facts.pop("column") or "no column"
        texts.append(f"{name}: {column} {' '.join(f'{key} {value:g}' for key, value in facts.items())}")
    return "; ".join(texts)


def read_kinds(settings: Iterable[str]) -> dict[str, EventKind]:
    """Return EVENTS changed by settings such as "smile.on=0.6", "blink.column=au45" or "frown.column=au04".

    A new name needs its column first. Raises ConfigError for an unknown name or key, or a value that does not fit.
    """
    kinds = dict(EVENTS)
    changes: dict[str, dict[str, float]] = {}  # name -> options of its rule
    given: dict[str, list[str]] = {}  # name -> settings of its rule
    for setting in settings:
        key, value = parse_override(setting)
        name, _, option = key.partition(".")
        if option == "column":
            before = kinds.get(name, EventKind(()))
            kinds[name] = replace(before, columns=(str(value),), required=True)
            continue
        if name not in kinds:
            raise ConfigError(f"{setting}: {unknown('event', name, kinds)}; a new one begins with {name}.column=au04")
        changes.setdefault(name, {})[option] = _rule_value(option, value, setting)
        given.setdefault(name, []).append(setting)
    for name, options in changes.items():  # together, because "on" and "off" must fit each other
        try:
            kinds[name] = replace(kinds[name], rule=replace(kinds[name].rule, **options))
        except ConfigError as error:
            raise ConfigError(f"{' '.join(given[name])}: {error}") from None
    return kinds


def number_or_none(value: float) -> float | None:
    """Return a number for a table: None instead of NaN, because a missing value is null there."""
    return None if math.isnan(value) else value


def _rule_value(option: str, value: Any, setting: str) -> float:
    """Return the value of an option of a rule. Raises ConfigError that names the setting."""
    known = [field.name for field in fields(SegmentRule)]
    if option not in known:
        raise ConfigError(f"{setting}: {unknown('option', option, ('column', *known))}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{setting}: must be a number, got {value!r}")
    return float(value)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _used(kind: EventKind) -> dict[str, float]:
    """Return the parameters that make the segments of a kind; stretches of an expression have no thresholds."""
    skipped = {"on", "off"} if EXPRESSION in kind.columns else set[str]()
    return {name: value for name, value in kind.rule.parameters().items() if name not in skipped}


def _rows(person: PersonRows, name: str, kind: EventKind) -> list[dict[str, Any]]:
    """Return the rows of SCHEMA of one person and one kind, without any for a missing column."""
    found = find_segments(person, name, kind)
    if not found:
        return []
    tracks = person.table["track"].to_pylist()
    return [
        {
            "clip": person.clip,
            "source": person.source,
            "person": person.person,
            "track": tracks[int(np.searchsorted(person.starts, one.start))],
            "event": name,
            "label": one.label,
            "column": kind.column_in(person.table),
            "start_s": one.start,
            "stop_s": one.stop,
            "duration_s": one.duration,
            "mean": number_or_none(one.mean),
            "peak": number_or_none(one.peak),
            "peak_s": number_or_none(one.peak_time),
        }
        for one in found
    ]
