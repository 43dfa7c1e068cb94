"""A table as a file: CSV (`,`, `;` or a tab between cells) or Parquet, read as rows of text under names."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.delimited import Row, rows, same_width
from avfer.datasets.listing import check_root, files, not_found
from avfer.datasets.text import lines
from avfer.errors import ConfigError, DatasetError, unknown

ENDINGS = (".csv", ".tsv", ".parquet")


def find_table(root: Path | str, file: str | None) -> Path:
    """The table that a root means: itself, or the one in the folder; `file` names it where there are several."""
    root = Path(root)
    if root.is_file() and root.suffix.lower() in ENDINGS:
        return root
    found = {path.name: path for path in files(check_root(root), *ENDINGS)}
    if file is not None:
        if file not in found:
            raise ConfigError(f"table in '{root}': {unknown('file', file, found)}")
        return found[file]
    if not found:
        raise not_found("table of labels", root, [f"*{ending}" for ending in ENDINGS])
    if len(found) > 1:
        raise ConfigError(f"'{root}' holds several tables ({', '.join(found)}); name one: file=labels.csv")
    return next(iter(found.values()))


def header(path: Path) -> list[str]:
    """The names of the columns, in small letters. DatasetError where two are the same, or the file is no table."""
    given = _parquet_names(path) if _is_parquet(path) else next(iter(rows(path, _separator(path))), Row(0, [])).cells
    names = [name.strip().lower() for name in given]
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise DatasetError(f"{path}: two columns are called {', '.join(sorted(twice))}; keep one")
    return names


def table_rows(path: Path, width: int) -> Iterator[Row]:
    """All rows below the header, `width` cells each, one at a time; DatasetError for one of another width."""
    if _is_parquet(path):
        yield from _parquet_rows(path)
        return
    table = rows(path, _separator(path))
    next(table, None)
    for row in table:
        yield Row(row.line, same_width(row, width, path))


def place(path: Path, line: int) -> str:
    """What an error calls a row: a line of a CSV, counted with its header; a row of a Parquet file from 1."""
    return f"{path}, {'row' if _is_parquet(path) else 'line'} {line}"


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _separator(path: Path) -> str:
    first = next((line for line in lines(path) if line.strip()), "")
    return max((",", ";", "\t"), key=first.count)


def _parquet_names(path: Path) -> list[str]:
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is no Parquet file: {' '.join(str(error).split())}") from error


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=4096):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield Row(number, [_text(cell) for cell in cells])
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}; write it again") from error


def _text(cell: object) -> str:
    """As a CSV would hold it."""
    if cell is None:
        return ""
    return str(int(cell) if isinstance(cell, bool) else cell).strip()
