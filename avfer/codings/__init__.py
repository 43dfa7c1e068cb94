"""Human codings of clips: files of ELAN, BORIS and Praat, and CSV, read as tiers of intervals and points.

`read_codings` reads a file in any of the formats, `columns.py` maps tiers to the columns of avfer's tables, and
`sampling.py` returns the coded values at the times of a table. To add a format, write a class with the members of
CodingFormat and one line in avfer.catalog under "coding".
"""

from pathlib import Path
from typing import ClassVar, Protocol

from avfer.catalog import NAMES, find
from avfer.codings.coding import Coding
from avfer.errors import DatasetError
from avfer.local_paths import check_path

MAX_BYTES = 256 * 2**20  # of a file of codings; an hour of marks on every frame has less


class CodingFormat(Protocol):
    """Reads the files of one program."""

    suffixes: ClassVar[tuple[str, ...]]  # in lower case, with the dot

    @staticmethod
    def fits(path: Path) -> bool:
        """Return whether a file with one of the suffixes has this format. Raises DatasetError if it is not text."""
        ...

    @staticmethod
    def read(path: Path) -> list[Coding]:
        """Return the coding of each clip in a file. Raises DatasetError, with the place, if it cannot be read."""
        ...


def coding_suffixes() -> tuple[str, ...]:
    """Return the endings of all files that `read_codings` reads, in lower case."""
    return tuple(dict.fromkeys(suffix for name in NAMES["coding"] for suffix in find("coding", name).suffixes))


def read_codings(path: Path, format: str | None = None) -> list[Coding]:  # noqa: A002
    """Return the coding of each clip in a file; ELAN, Praat and most CSV files have one.

    format: "elan", "boris", "praat", "csv" or `package.module:Name`; by default the ending and the header decide.
    Raises DatasetError if the file is missing, larger than MAX_BYTES, of no known format, or without any tier.
    """
    check_size(path)
    kind = find("coding", format) if format else _kind_of(path)
    codings: list[Coding] = kind.read(path)
    if not any(coding.tiers for coding in codings):
        raise DatasetError(f"{path}: no tier with any mark; check that the coding was saved or exported as a whole")
    return codings


def check_size(path: Path) -> None:
    """Raise DatasetError if a file is missing, or larger than MAX_BYTES."""
    try:
        size = check_path(path).stat().st_size
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; check the path") from error
    if not path.is_file():
        raise DatasetError(f"{path} is not a file; name the file of a coding")
    if size > MAX_BYTES:
        raise DatasetError(f"{path}: must be at most {MAX_BYTES} bytes, got {size}; is it the file of a coding?")


def _kind_of(path: Path) -> type[CodingFormat]:
    """Return the format of a file by its ending and its header. Raises DatasetError if none fits."""
    suffix = path.suffix.lower()
    kinds: list[type[CodingFormat]] = [find("coding", name) for name in NAMES["coding"]]
    fitting = [kind for kind in kinds if suffix in kind.suffixes]
    if not fitting:
        known = ", ".join(coding_suffixes())
        raise DatasetError(f"{path}: '{suffix}' is not the ending of a coding; known endings: {known}")
    for kind in fitting:
        if kind.fits(path):
            return kind
    raise DatasetError(
        f"{path}: the header is neither that of an export of BORIS nor of a CSV with the columns tier, start, stop,"
        " value, or time_s and columns such as valence, expression, au12; rename the columns"
    )
