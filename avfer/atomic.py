"""The one way to write a file, or a folder of files: it appears whole under its name, or not at all."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from avfer.errors import OutputError

HINT = "free some disk space or choose another output"
MAX_KEPT = 200  # bytes of a name that a temporary name keeps


@contextmanager
def atomic_write(path: Path, hint: str = HINT, folder: Path | None = None) -> Generator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The caller writes (or creates a file at) the temporary path, which is hidden, unique and keeps the suffix of
    `path`, because some writers choose their format by it. Its content reaches the disk (fsync) before the
    rename. On any error the temporary file is removed and an existing `path` stays as it was.

    folder: where to put the temporary file instead (on the same file system); for folders that are searched for
    leftovers.

    Raises OutputError, with `hint` as the way out, if the folder cannot be created or the file cannot be written;
    other exceptions of the block pass through. Use `atomic_rename` where the block does more than write.

    Example: `with atomic_write(Path("labels.csv")) as part: part.write_text("a,b\\n")`.
    """
    with atomic_rename(path, hint, folder) as part, output_errors(path, hint):
        yield part


@contextmanager
def atomic_rename(path: Path, hint: str = HINT, folder: Path | None = None) -> Generator[Path]:
    """Do the same as `atomic_write`, but let every error of the block pass through, OSError too.

    Only the creation of the folders, the fsync and the rename raise OutputError.
    """
    part = _temporary_path(path) if folder is None else folder / f"{uuid.uuid4().hex}{path.suffix}"
    try:
        with output_errors(path, hint):
            part.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with output_errors(path, hint):
            _flush_to_disk(part)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, hint: str = HINT, replace: bool = False) -> Generator[Path]:
    """Yield an empty temporary folder beside `path`; rename it to `path` when the block ends without an error.

    The caller writes files at any depth of the temporary folder, which is hidden and unique. All of them reach the
    disk (fsync) before the rename. On any error the temporary folder is removed with its content. A file, or a folder
    with files, that exists at `path` stays as it was.

    replace: whether a folder at `path` is replaced, with all its files, once the new one is complete. The caller makes
    sure that nothing else is lost.

    Raises OutputError, with `hint` as the way out, if a file cannot be written or `path` exists at the end and is not
    to be replaced; other exceptions of the block pass through.

    Example: `with atomic_folder(Path("dataset")) as part: (part / "labels.csv").write_text("a,b\\n")`.
    """
    part = _temporary_path(path)
    try:
        with output_errors(path, hint):
            part.mkdir(parents=True)
            yield part
            for file in sorted(part.rglob("*")):
                if file.is_file():
                    _flush_to_disk(file)
            if replace and path.is_dir():
                _replace_folder(path, part)
            else:
                part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _replace_folder(path: Path, new: Path) -> None:
    """Rename the folder `new` to `path`, then remove the folder that was there. Raises OSError.

    Systems rename no folder to one with files, so the old one gets a hidden name first, and its own name back on any
    error. A kill between the two renames leaves both folders complete under hidden names; if another program writes to
    `path` between them, the old folder stays under its hidden name.
    """
    old = _temporary_path(path)
    try:
        path.rename(old)
        new.rename(path)
    finally:
        if not new.exists():
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():
            old.rename(path)


@contextmanager
def output_errors(path: Path, hint: str = HINT) -> Generator[None]:
    """Raise every OSError of the block as an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        raise output_error(path, error, hint) from error


def _temporary_path(path: Path) -> Path:
    """Return the hidden name beside `path` that a file has while it is written: `.clip.5f1c09ab.part.parquet`.

    It is drawn at random, because processes of several machines or containers may have the same number and write to
    the same folder. File systems allow 255 bytes, so a long name is replaced by its hash.
    """
    stem = path.stem if len(path.name.encode()) <= MAX_KEPT else hashlib.sha256(path.name.encode()).hexdigest()
    return path.with_name(f".{stem}.{uuid.uuid4().hex[:12]}.part{path.suffix}")


def _flush_to_disk(path: Path) -> None:
    """Force the content of a closed file to the disk (fsync). Raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def output_error(path: Path, error: OSError, hint: str = HINT) -> OutputError:
    """Return the error to raise for a file that cannot be written, with the system's reason and the way out."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OutputError(f"{path} cannot be written: {reason}; {hint}")
