"""Numbers only: no file that is made from a clip shows or links its pictures.

The key `numbers_only` of a pipeline (`--numbers-only`) is recorded in the metadata of its tables, so that what is made
from a table later refuses pictures too.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from avfer.errors import AvferWarning, ConfigError, shortened
from avfer.export import CarriesMetadata, Exporter, WritesStills, find_exporter

NUMBERS_ONLY = "numbers_only"  # key of the metadata, "true" or absent


def is_numbers_only(metadata: Mapping[str, str]) -> bool:
    """Return whether nothing that is made from a table may show pictures of its clip."""
    return metadata.get(NUMBERS_ONLY) == "true"


def check_numbers_only(name: str, exporter: Exporter) -> None:
    """Raise ConfigError if an exporter reads the pictures of a clip.   name: of the exporter, for the message"""
    if exporter.needs_frames:
        options = " (--overlay, --draw, --blur)" if name == "overlay" else ""
        raise ConfigError(
            f"numbers_only: '{name}'{options} shows pictures of the clip; leave it out, or make the table without"
            " numbers_only (--numbers-only)"
        )


def warn_of_pictures(tables: Iterable[Path], replaced: Collection[Path]) -> None:
    """Warn of pages and overlays of earlier runs that show pictures beside tables which are made without.

    replaced: files that this run writes again.
    """
    found = [str(path) for table in tables for path in _with_pictures(table) if path not in replaced]
    if found:
        text = f"numbers_only: files of earlier runs show pictures and stay: {shortened(found)}; delete them"
        warnings.warn(text, AvferWarning, stacklevel=2)


def _with_pictures(table: Path) -> Iterator[Path]:
    """Yield the page and the overlays beside a table if they exist and show pictures."""
    exporters = [find_exporter(name) for name in ("report", "overlay")]
    ends = [(one, one.suffix) for one in exporters]
    ends += [(one, one.still_suffix) for one in exporters if isinstance(one, WritesStills)]
    for exporter, suffix in ends:
        path = table.with_name(table.stem + suffix)
        metadata = exporter.read_metadata(path) if path.exists() and isinstance(exporter, CarriesMetadata) else None
        if metadata is not None and not is_numbers_only(metadata):
            yield path
