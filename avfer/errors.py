"""The errors that avfer raises, and the exit codes they lead to. A message says what is wrong, where, and the way out.

AvferError
├── ConfigError     a pipeline, option or command that cannot work; raised before any work (exit code 2)
├── MissingExtra    a package that is not installed; the message has the line that installs it (exit code 2)
├── WeightsError    weights that are absent, damaged, or made for another model (exit code 2)
├── DatasetError    a corpus that is absent or does not follow its format (exit code 2)
│   └── MetricError     values that a metric cannot score: sentinels, NaN, unequal lengths (exit code 2)
├── TrainingError   training that cannot continue; the last good checkpoint is kept (exit code 3)
├── OutputError     a result that cannot be written (exit code 3)
└── MediaError      a media file that cannot be read (exit code 3)
"""

import difflib
import os
from collections.abc import Iterable, Sequence

MAX_LISTED = 5  # items that a message lists unless it states another number


class AvferError(Exception):
    """Base class of all errors that avfer raises on purpose."""


class AvferWarning(UserWarning):
    """Warning of a problem with a result that avfer returns nevertheless, such as rows that were left out."""


class ConfigError(AvferError):
    """A pipeline, an option or a command line that cannot work."""


class MissingExtra(AvferError):
    """A package that an optional feature needs and that is not installed.

    purpose: the feature, such as "--ray"; package: the name on PyPI; extra: the extra of avfer with it, if any.
    """

    def __init__(self, purpose: str, package: str, extra: str | None = None) -> None:
        source = f"'avfer[{extra}]'" if extra else package
        super().__init__(f"{purpose} needs {package}: pip install {source}")


class WeightsError(AvferError):
    """A weight file that is absent, damaged, unsafe, or made for another model."""


class DatasetError(AvferError):
    """A corpus, or a file of a corpus, that is absent or does not follow its format."""


class MetricError(DatasetError, ValueError):
    """Values that a metric cannot score."""


class TrainingError(AvferError):
    """Training that cannot continue, for example because the loss is non-finite."""


class OutputError(AvferError):
    """A result that cannot be written."""


class MediaError(AvferError):
    """A media file that cannot be read."""


def unknown(kind: str, name: str, known: Iterable[str], outside: bool = False) -> str:
    """Return the message for an unknown name, with the nearest known name or the list of all.

    outside: whether `package.module:Name` is a name too; then `package.module.Name` is corrected.

    >>> unknown("backbone", "poster2", ["dan", "poster_v2"])
    "unknown backbone 'poster2'; did you mean 'poster_v2'?"
    >>> unknown("format", "xlsx", ["csv", "jsonl"])
    "unknown format 'xlsx'; there are: csv, jsonl"
    >>> unknown("column", "AU12", ["au12", "valence"])
    "unknown column 'AU12'; did you mean 'au12'?"
    >>> unknown("format", "my_tables.markdown.Table", ["csv"], outside=True)
    "unknown format 'my_tables.markdown.Table'; did you mean 'my_tables.markdown:Table'?"
    """
    package, dot, attribute = name.rpartition(".")
    if outside and dot and all(part.isidentifier() for part in name.split(".")):
        return f"unknown {kind} '{name}'; did you mean '{package}:{attribute}'?"
    names = sorted(known)
    lower = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    hint = f"did you mean '{lower[near[0]]}'?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"unknown {kind} '{name}'; {hint}"


def shortened(items: Sequence[str], most: int = MAX_LISTED, separator: str = ", ") -> str:
    """Return the first items of a list as one text, and how many more there are.

    >>> shortened(["a.mp4", "b.mp4", "c.mp4"], most=2)
    'a.mp4, b.mp4, and 1 more'
    """
    more = [f"and {len(items) - most} more"] if len(items) > most else []
    return separator.join([*items[:most], *more])


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural unless the number is 1.

    plural: by default the noun with an s.

    >>> counted(1, "row"), counted(0, "row"), counted(2, "row has", "rows have")
    ('1 row', '0 rows', '2 rows have')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def debugging() -> bool:
    """Return whether AVFER_DEBUG is set in the environment, to any value but "" and "0": print tracebacks."""
    return os.environ.get("AVFER_DEBUG", "") not in {"", "0"}


def rebuild_error(kind: str, message: str) -> AvferError:
    """Return the error of another process from the name of its class in this module and its message.

    The class is not called, because MissingExtra composes its message from other arguments.

    >>> rebuild_error("WeightsError", "weights.safetensors is damaged")
    WeightsError('weights.safetensors is damaged')
    """
    kinds = (ConfigError, MissingExtra, WeightsError, DatasetError, MetricError, TrainingError, OutputError, MediaError)
    found = {found.__name__: found for found in kinds}.get(kind, AvferError)
    return found.__new__(found, message)


def describe_unexpected(error: Exception) -> str:
    """Return one line for an error that avfer did not raise on purpose, and how to get its traceback.

    >>> describe_unexpected(ValueError("no axis"))
    'unexpected ValueError: no axis (AVFER_DEBUG=1 shows where)'
    """
    hint = "" if debugging() else " (AVFER_DEBUG=1 shows where)"
    return f"unexpected {type(error).__name__}: {error}{hint}"


DONE, USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP. The message says which results are kept."""

    def __str__(self) -> str:
        return super().__str__() or "finished clips are kept"
