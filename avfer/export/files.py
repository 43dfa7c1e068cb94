"""Files that appear whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from avfer.errors import ConfigError, OutputError, unknown

FORMATS = ("parquet", "csv", "jsonl")


def check_format(name: str) -> str:
    """The name of a table's format; ConfigError where it is none."""
    if name not in FORMATS:
        raise ConfigError(unknown("format", name, FORMATS))
    return name


def hidden(path: Path) -> Path:
    """The name beside `path` that a file has until it is whole. It keeps its ending, which some writers go by."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def output_error(path: Path, error: OSError) -> OutputError:
    """What to tell a user whose file cannot be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OutputError(f"{path} cannot be written: {reason}; make room or choose another place for it")


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """A hidden path to write to; it takes the name on success and is removed on any error."""
    part = hidden(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
