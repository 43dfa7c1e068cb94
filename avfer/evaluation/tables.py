"""Tables of predictions on disk, one a recording: Parquet, CSV or lines of JSON, in the contract's form."""

from pathlib import Path

import pandas as pd

from avfer.errors import DatasetError

ENDINGS = ("parquet", "csv", "jsonl")


def read_table(path: Path) -> pd.DataFrame:
    """A table of predictions; DatasetError where the file is none."""
    readers = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".jsonl": _read_lines}
    try:
        return readers[path.suffix](path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from error


def facts_of(path: Path) -> dict[str, str]:
    """What a Parquet file tells of its making; nothing for other formats."""
    if path.suffix != ".parquet":
        return {}
    import pyarrow.parquet

    try:
        metadata: dict[bytes, bytes] = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is no Parquet file: {' '.join(str(error).split())}") from error
    return {key.decode(): value.decode(errors="replace") for key, value in metadata.items()}


def _read_lines(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True)
