"""Whether an existing output file may be kept: what made it is compared with what would make it now.

Parquet tables, reports and overlays hold the metadata of their table (`avfer.export.CarriesMetadata`). For the other
formats, CSV and JSON lines among them, and for exporters from outside avfer the same metadata lies beside the file
(`avfer.export.file_records`).
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from avfer import __version__
from avfer.errors import AvferWarning, ConfigError, shortened
from avfer.export import CarriesMetadata
from avfer.export.file_records import recorded_metadata

if TYPE_CHECKING:  # this imports torch
    from avfer.provenance import Provenance


@runtime_checkable
class StatesOptions(Protocol):
    """An exporter whose files state its options in their metadata."""

    def stated_options(self) -> dict[str, str]:
        """Return key and value of each option in the metadata of the files; empty text for the default."""
        ...


MAX_LISTED = 3  # files that a message lists


def check_kept(existing: Mapping[Path, object], wanted: "Mapping[Path, Provenance]") -> None:
    """Raise ConfigError if files exist that another pipeline, option, weight file or input made; name both.

    existing: file -> its format or exporter. wanted: file -> what would make it now. A file of another version of
    avfer, and one that does not record what made it, is kept with a warning.
    """
    from avfer.provenance_comparison import differences  # imports torch

    faults: list[str] = []
    for path, kind in existing.items():
        found = _read_metadata(path, kind)
        if not found.get("version"):
            warn = f"{path} does not record what made it and is kept as it is; --overwrite makes it again"
            warnings.warn(warn, AvferWarning, stacklevel=2)
            continue
        if different := [*differences(found, wanted[path]), *_option_differences(found, kind)]:
            faults.append(f"{path} was made by {', and '.join(different)}")
        elif found["version"] != __version__:
            made = f"made by avfer {found['version']} (now {__version__})"
            warn = f"{path} was {made} and is kept; --overwrite makes it again"
            warnings.warn(warn, AvferWarning, stacklevel=2)
    if faults:
        advice = "choose another --output, or use --overwrite to make it again"
        raise ConfigError(f"{shortened(faults, MAX_LISTED, '; ')}; {advice}")


def _option_differences(found: Mapping[str, str], kind: object) -> list[str]:
    """Return what differs between the options of the exporter that made a file and those of `kind`."""
    if not isinstance(kind, StatesOptions):
        return []
    options = kind.stated_options()
    return [
        f"{key} {found.get(key) or 'none'} (now {value or 'none'})"
        for key, value in options.items()
        if found.get(key, "") != value
    ]


def _read_metadata(path: Path, kind: object) -> Mapping[str, str]:
    """Return the metadata of the table that a file was made from, empty if nothing is recorded."""
    return kind.read_metadata(path) if isinstance(kind, CarriesMetadata) else recorded_metadata(path)
