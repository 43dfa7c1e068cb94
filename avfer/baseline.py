"""Subtract each person's resting value from the action units of a clip.

A face at rest rarely measures 0: some brows are low, some lips curl up. The resting value of an action unit is
estimated for every person from the clip itself (`Baseline`), and the column `au12_corrected` is `au12` minus that
value, clipped at 0. The resting value needs the whole clip, so the corrected columns are computed after the last row.
"""

import json
import re
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Literal

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from avfer.arrow_columns import number_column
from avfer.atomic import output_errors
from avfer.errors import AvferWarning, ConfigError
from avfer.option_types import Seconds, validate

LOW_QUANTILE = 0.1  # of a person's values; a tenth of the rows may be measured too low and change nothing
# Values of a person that a resting value needs: of fewer, the quantile is about the lowest and the median the only one.
FEWEST_LOW, FEWEST_SECONDS = 10, 2
METADATA_KEY = "au_baseline"
ACTION_UNIT = re.compile(r"au\d\d")  # name of a measured column
CORRECTED = "_corrected"  # end of the name of an action unit minus the resting value of its person
KEY_COLUMNS = ["time_s", "track", "person"]
BATCH_ROWS = 8192  # read from the temporary file at once
ReadColumns = Callable[[list[str]], pa.Table]  # names of columns -> a table of all rows with these columns
RestingValues = Mapping[str, Mapping[int, np.float32]]  # column -> key of a person -> resting value


@dataclass(frozen=True)
class Baseline:
    """How the resting value of an action unit is estimated from the rows of one person.

    A person is the rows of one number in `person`, or of one number in `track` where `person` is null.
    """

    seconds: tuple[float, float] | None = None  # median over start <= time_s < stop; None: LOW_QUANTILE of all rows

    def as_metadata(self) -> str:
        """Return the method as JSON, for the key `au_baseline` of the table's metadata."""
        method: dict[str, object] = {"method": "low", "statistic": f"quantile {LOW_QUANTILE:g} of the clip"}
        if self.seconds is not None:
            method = {"method": "seconds", "statistic": "median", "start_s": self.seconds[0], "stop_s": self.seconds[1]}
        return json.dumps(method | {"of": "person, else track", "corrected": "max(0, raw - resting value)"})


def parse_baseline(value: Any) -> Baseline | None:
    """Return the baseline of an option: "low", [start, stop] in seconds of `time_s`, or null for none.

    Raises ValueError that says what the value must be.
    """
    if value not in (None, "low") and not (isinstance(value, list | tuple) and len(value) == 2):
        raise ValueError(f"must be 'low' or a list such as [0, 2] of start and stop in seconds, got {value!r}")
    found = validate(Literal["low"] | tuple[Seconds, Seconds] | None, value)
    if not isinstance(found, tuple):
        return Baseline() if found else None
    if found[0] >= found[1]:
        raise ValueError(f"the start must be before the stop, got {found[0]:g} s and {found[1]:g} s")
    return Baseline(found)


def corrected_schema(schema: pa.Schema, baseline: Baseline) -> pa.Schema:
    """Return the schema of a table with the corrected columns, which follow the last action unit, and the method.

    Raises ConfigError if the table has no action units.
    """
    names = _raw_names(schema)
    if not names:
        raise ConfigError("baseline: the pipeline predicts no action units, so it has nothing to correct; leave it out")
    place = schema.get_field_index(names[-1]) + 1
    fields = [pa.field(name + CORRECTED, pa.float32()) for name in names]
    metadata: dict[bytes, bytes] = schema.metadata or {}
    metadata = metadata | {METADATA_KEY.encode(): baseline.as_metadata().encode()}
    return pa.schema([*list(schema)[:place], *fields, *list(schema)[place:]], metadata=metadata)


def corrected_table(table: pa.Table, baseline: Baseline) -> pa.Table:
    """Return a table with a corrected column for each action unit.

    table: all rows of a clip, with the columns of `AffectTrack.to_table`. A corrected value is null where the raw one
    is, or where the person has no value in the seconds of the baseline. Raises ConfigError as `corrected_schema`.
    """
    schema = corrected_schema(table.schema, baseline)
    return _with_corrected(table, schema, _resting_values(table.select, _raw_names(table.schema), baseline))


def corrected_parts(parts: Iterable[pa.Table], baseline: Baseline, folder: Path) -> Generator[pa.Table]:
    """Yield the rows of consecutive parts of a clip with the corrected columns, as `corrected_table` returns them.

    The rows wait in a temporary file in `folder`, which has no name there and ends with the process. In memory are
    BATCH_ROWS rows and, while the resting values are computed, one action unit of all rows with their keys, about
    60 bytes a row. Raises ConfigError as `corrected_schema`, before the second part is read, and OutputError if the
    file cannot be written.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = TemporaryFile(dir=folder)  # noqa: SIM115  # closed by the next line
    with file:
        schema = _write_rows(parts, baseline, file, folder)
        rows = ParquetFile(file)
        resting = _resting_values(lambda names: rows.read(names), _raw_names(schema), baseline)
        for batch in rows.iter_batches(BATCH_ROWS):
            yield _with_corrected(pa.Table.from_batches([batch]), schema, resting)


def _write_rows(parts: Iterable[pa.Table], baseline: Baseline, file: IO[bytes], folder: Path) -> pa.Schema:
    """Write the rows of parts to a Parquet file in groups of BATCH_ROWS or more; return the corrected schema.

    A file without parts has no columns. folder: for the message of an OutputError.
    """
    schema, pending, writer = pa.schema([]), list[pa.Table](), None
    try:
        for part in parts:
            if writer is None:
                schema = corrected_schema(part.schema, baseline)
                writer = ParquetWriter(file, part.schema)
            pending.append(part)
            if sum(map(len, pending)) >= BATCH_ROWS:
                with output_errors(folder):
                    writer.write_table(pa.concat_tables(pending))
                pending.clear()
        with output_errors(folder):
            writer = writer or ParquetWriter(file, schema)
            if pending:
                writer.write_table(pa.concat_tables(pending))
    finally:
        if writer is not None:
            with output_errors(folder):
                writer.close()
    return schema


def _raw_names(schema: pa.Schema) -> list[str]:
    """Return the columns of the action units: ["au01", "au12"]."""
    return [name for name in schema.names if ACTION_UNIT.fullmatch(name)]


def _keys(table: pa.Table) -> np.ndarray:
    """Return a number for the person of each row: (R,) int64, even for a person, odd for a track without a person."""
    person, track = (table[name].fill_null(-1).to_numpy().astype(np.int64) for name in ("person", "track"))
    return np.where(person >= 0, 2 * person, 2 * track + 1)


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of R rows as (R,) float32, null as NaN."""
    return table[name].to_numpy(zero_copy_only=False)


def _resting_values(read: ReadColumns, names: list[str], baseline: Baseline) -> RestingValues:
    """Return the resting value of each person in each of the columns; those without a value are left out.

    Warns if a person has values in the clip, and none in the seconds of the baseline, or too few for a resting value.
    """
    rows = read(KEY_COLUMNS)
    keys, order = _keys(rows), slice(None)
    if baseline.seconds is not None:
        times = rows["time_s"].to_numpy()
        order = np.flatnonzero((times >= baseline.seconds[0]) & (times < baseline.seconds[1]))
    quantile = LOW_QUANTILE if baseline.seconds is None else 0.5
    found: dict[str, dict[int, np.float32]] = {}
    fewest: dict[int, int] = {}  # key of a person -> values that the resting value is estimated from, at least
    for name in names:
        values = _numbers(read([name]), name)
        groups = _known_values(values[order], keys[order])
        found[name] = {
            key: np.float32(np.quantile(group.astype(np.float64), quantile)) for key, group in groups.items()
        }
        for key in np.unique(keys[~np.isnan(values)]).tolist():
            fewest[key] = min(len(groups.get(key, ())), fewest.get(key, len(keys)))
    _warn_of_few(list(fewest.values()), baseline)
    return found


def _warn_of_few(counts: Sequence[int], baseline: Baseline) -> None:
    """Warn if a resting value is estimated from no value or from too few.   counts: of the values of each person"""
    start, stop = baseline.seconds or (0.0, 0.0)
    span = "in the clip" if baseline.seconds is None else f"from {start:g} to {stop:g} s"
    fewest = FEWEST_LOW if baseline.seconds is None else FEWEST_SECONDS
    if 0 in counts:
        problem = f"no measured face {span}, so the corrected action units of that person are null"
        _warn(f"{problem}; choose other seconds, or 'low'")
    if any(0 < count < fewest for count in counts):
        problem = f"fewer than {fewest} measured faces {span}, too few for a resting value"
        _warn(f"{problem}: the corrected action units of that person may be far too low; use the raw ones")


def _warn(problem: str) -> None:
    warnings.warn(f"baseline: a person has {problem}", AvferWarning, stacklevel=2)


def _known_values(values: np.ndarray, keys: np.ndarray) -> dict[int, np.ndarray]:
    """Return the values of each key that are not NaN.   values: (R,) float32; keys: (R,) int64"""
    known = ~np.isnan(values)
    values, keys = values[known], keys[known]
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    groups = np.split(values[order], starts[1:])
    return dict(zip(found.tolist(), groups, strict=False))  # without values there is one empty group, and no key


def _with_corrected(table: pa.Table, schema: pa.Schema, resting: RestingValues) -> pa.Table:
    """Return rows of a clip with the corrected columns, in the order of `schema`."""
    found, inverse = np.unique(_keys(table), return_inverse=True)
    columns = {name: table[name] for name in table.column_names}
    for name, values in resting.items():
        rest = np.array([values.get(int(key), np.float32(np.nan)) for key in found], np.float32)
        corrected = np.maximum(_numbers(table, name) - rest[inverse], 0)
        columns[name + CORRECTED] = number_column(corrected.astype(np.float32), np.isnan(corrected))
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
