"""Read the tables of avfer from disk: Parquet, CSV and JSON lines, files and folders.

A table is one that `avfer run`, `avfer label` or `AffectTrack.save` wrote. The types of its columns are those of
`AffectTrack.to_table`, whatever the format; columns of the user's own manifest keep the types that the file has.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, json
from pyarrow.parquet import ParquetFile

from avfer.errors import DatasetError
from avfer.export import metadata_of
from avfer.export.column_facts import column_type
from avfer.export.file_records import recorded_metadata

REQUIRED = ("clip", "time_s", "track")  # columns of every table
AFFECT = ("valence", "arousal", "expression")  # columns of the predictions, which every table of avfer has
LABELLED = "clips"  # folder of the tables inside the output folder of `avfer label`
LANDMARKS = ".landmarks"  # before the suffix of the landmarks that lie beside the table of a clip
EXPORTS = (".openface", ".fex", ".segments", "_series")  # before the suffix of the CSV files that exporters write there


def read_table(path: Path, columns: Iterable[str] = ()) -> pa.Table:
    """Return the table in a file, with the metadata of a Parquet file, or those recorded beside a file of `avfer run`.

    columns: those that the caller needs beside REQUIRED.
    Raises DatasetError if the file cannot be read, is no table of avfer, or lacks one of the columns or a time.
    """
    if path.suffix not in READERS:
        raise DatasetError(f"{path} is no table: its name must end in {', '.join(READERS)}")
    if not path.exists():
        raise DatasetError(f"there is no table at {path}; check the path")
    try:
        table = READERS[path.suffix](path)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path} cannot be read as a table: {reason}; make it again with avfer run") from error
    missing = [name for name in (*REQUIRED, *columns) if name not in table.column_names]
    if missing:
        problem = f"has no column {', '.join(missing)}"
        if set(missing) & set(REQUIRED):
            problem = f"is no table of avfer: it {problem} (its columns: {', '.join(table.column_names[:8])})"
        raise DatasetError(f"{path} {problem}; give a table of avfer run or avfer label")
    recorded = {} if path.suffix == ".parquet" else recorded_metadata(path)
    table = _with_types(table.replace_schema_metadata(recorded) if recorded else table, path)
    times = table["time_s"].to_numpy(zero_copy_only=False)
    if not np.isfinite(times).all():
        row = int(np.argmin(np.isfinite(times)))
        raise DatasetError(f"{path} is no table of avfer: row {row} (from 0) has no time in the column time_s")
    return table


def find_tables(path: Path) -> list[Path]:
    """Return the file itself, or the tables in a folder and below it, in the order of their paths.

    In the output folder of `avfer label` these are the tables of the clips. Of files that differ in their format only,
    the Parquet one is taken, else the CSV. Tables of landmarks and exports beside those of their clips are left out.
    Raises DatasetError if the path does not exist or the folder has no table.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DatasetError(f"there is no table or folder at {path}; check the path")
    folder = path / LABELLED if (path / LABELLED).is_dir() else path
    best: dict[Path, Path] = {}
    for suffix in READERS:
        for file in folder.rglob(f"*{suffix}"):
            if not any(part.startswith(".") for part in file.relative_to(folder).parts):
                best.setdefault(file.with_suffix(""), file)
    others = {table.with_name(table.name + end) for table in best for end in (LANDMARKS, *EXPORTS)}
    best = {name: file for name, file in best.items() if name not in others}
    if not best:
        raise DatasetError(f"there is no table ({', '.join(READERS)}) in the folder {path}; check the path")
    return sorted(best.values())


def find_clip(file: Path, table: pa.Table, folders: Sequence[Path] = ()) -> Path:
    """Return the media file of a table in the first of some folders that has it.

    file: of the table; folders: by default that of the table, the one above it and the current folder. If no folder has
    the media file, its path in the last folder is returned; if the table has several clips, the first folder itself.
    """
    folders = folders or (file.parent, file.parent.parent, Path())
    names: list[str] = []
    for column in ("source", "clip"):
        values = table[column].drop_null().unique().to_pylist() if column in table.column_names else []
        if len(values) > 1:
            return folders[0]
        names += values
    names = [name for name in (*names, metadata_of(table.schema).get("clip", "")) if name] or [file.stem]
    parts = [part for name in names for part in (name, Path(name).name) if not {"..", "/"} & set(Path(part).parts)]
    places = [folder / part for folder in folders for part in dict.fromkeys(parts or [file.stem])]
    return next((place for place in places if place.is_file()), places[-1])


def read_landmarks(path: Path) -> dict[tuple[int, int], np.ndarray]:
    """Return the landmarks of a table that `avfer run` wrote beside that of its clip: (frame, track) -> (P, 2) px.

    Raises DatasetError if there is no such file or it holds no landmarks.
    """
    if path.suffix not in READERS or not path.is_file():
        raise DatasetError(
            f"there are no landmarks at {path}; run with --set measured.landmarks=true --overwrite to make them"
        )
    if path.suffix == ".jsonl" and not path.stat().st_size:
        return {}  # JSON lines without rows have no columns either
    table = READERS[path.suffix](path)
    names = [name for name in table.column_names if name[:1] in "xy" and name[1:].isdecimal()]
    if not names or not {"frame", "track"} <= set(table.column_names):
        raise DatasetError(f"{path} holds no landmarks; give the table NAME.landmarks of a clip")
    points = np.stack([table[name].to_numpy() for name in names], 1).reshape(len(table), len(names) // 2, 2)
    keys = zip(table["frame"].to_pylist(), table["track"].to_pylist(), strict=True)
    return dict(zip(keys, points, strict=True))


def _read_parquet(path: Path) -> pa.Table:
    with ParquetFile(path) as file:
        return file.read()


def _read_csv(path: Path) -> pa.Table:
    with csv.open_csv(path) as reader:
        kinds = {name: kind for name in reader.schema.names if (kind := column_type(name))}
    types = {name: kind for name, kind in kinds.items() if not pa.types.is_integer(kind)}  # pandas writes 0 as 0.0
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True))


READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": json.read_json,
}


def _with_types(table: pa.Table, path: Path) -> pa.Table:
    """Return the table with the types of avfer's columns. Raises DatasetError for values that do not fit."""
    fields = [field.with_type(column_type(field.name) or field.type) for field in table.schema]
    try:
        return table.cast(pa.schema(fields, metadata=table.schema.metadata))
    except (pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path} is no table of avfer: a column has other values: {reason}") from error
