"""The one way to write a file: it appears whole under its name, or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from avfer.errors import OutputError

HINT = "free some disk space or choose another output"


@contextmanager
def atomic_write(path: Path, hint: str = HINT) -> Generator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The caller writes (or creates a file at) the temporary path, which is hidden, unique to the process and keeps the
    suffix of `path`, because some writers choose their format by it. Its content reaches the disk (fsync) before the
    rename. On any error the temporary file is removed and an existing `path` stays as it was.

    Raises OutputError, with `hint` as the way out, if the folder cannot be created or the file cannot be written;
    other exceptions of the block pass through.

    Example: `with atomic_write(Path("labels.csv")) as part: part.write_text("a,b\\n")`.
    """
    part = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        flush_to_disk(part)
        part.replace(path)
    except OSError as error:
        raise output_error(path, error, hint) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Return the hidden name beside `path` that a file has while it is written: `.clip.1234.part.parquet`."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def flush_to_disk(path: Path) -> None:
    """Force the content of a closed file to the disk (fsync). Raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def output_error(
    path: Path, error: OSError, hint: str = "free some disk space or choose another output"
) -> OutputError:
    """Return the error to raise for a file that cannot be written, with the system's reason and the way out."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OutputError(f"{path} cannot be written: {reason}; {hint}")
