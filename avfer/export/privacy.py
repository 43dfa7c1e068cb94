"""Numbers only: no file that is made from a clip shows or links its pictures.

The key `numbers_only` of a pipeline (`--numbers-only`) is recorded in the metadata of its tables, so that what is made
from a table later refuses pictures too.
"""

from collections.abc import Mapping

from avfer.errors import ConfigError
from avfer.export import Exporter

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
