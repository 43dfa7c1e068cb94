"""The errors avfer raises. Each says what was wrong, where, and what to do next.

AvferError
├── ConfigError     a pipeline, option or command that cannot work; told before any work (exit code 2)
├── MissingExtra    a package that is not installed; names the line that installs it (exit code 2)
├── WeightsError    weights that are absent, damaged, or of another model (exit code 2)
├── DatasetError    a corpus that is not there, or not as its format says (exit code 2)
│   └── MetricError     values that no metric may score: sentinels, NaN, lengths that differ (exit code 2)
├── TrainingError   training that cannot go on; the last good checkpoint is kept (exit code 3)
├── OutputError     a result that could not be written (exit code 3)
└── MediaError      a file that cannot be read (exit code 3)
"""

import difflib
from collections.abc import Iterable


class AvferError(Exception):
    """Parent of all errors that a user of avfer can meet."""


class AvferWarning(UserWarning):
    """What a user should know of a result that is given all the same."""


class ConfigError(AvferError):
    """A pipeline, an option or a command line that cannot work."""


class MissingExtra(AvferError):
    """A package that an optional part needs and that is not installed."""

    def __init__(self, purpose: str, package: str, extra: str | None = None) -> None:
        source = f"'avfer[{extra}]'" if extra else package
        super().__init__(f"{purpose} needs {package}: pip install {source}")


class WeightsError(AvferError):
    """A weight file that is absent, damaged, unsafe, or made for another model."""


class DatasetError(AvferError):
    """A corpus, or a file of one, that is not there or not as its format says."""


class MetricError(DatasetError, ValueError):
    """Values that no metric may score."""


class TrainingError(AvferError):
    """Training that cannot go on, such as a loss that is no number."""


class OutputError(AvferError):
    """A result that could not be written."""


class MediaError(AvferError):
    """A media file that cannot be read."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown backbone 'poster2'; did you mean 'poster_v2'?`, or the list of what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"unknown {kind} '{name}'; {hint}"
