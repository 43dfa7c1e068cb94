"""Records of files that cannot hold the metadata of their table, such as CSV and JSON lines.

`avfer run`, `avfer export` and `AffectTrack.save` write the record of `out/talk.csv` as `out/.avfer/talk.csv.json`,
with the size of the file, so that a file that something else has replaced is not mistaken for it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from avfer.atomic import atomic_write
from avfer.export import CarriesMetadata

FOLDER = ".avfer"


def record_metadata(path: Path, kind: object, metadata: Mapping[str, str]) -> None:
    """Write what made a file beside it, unless files of this kind hold it themselves.

    kind: the format or exporter. Raises OutputError if the record cannot be written.
    """
    if not isinstance(kind, CarriesMetadata):
        write_record(path, dict(metadata))


def write_record(path: Path, metadata: dict[str, str]) -> None:
    """Write the metadata of a file beside it. Raises OutputError if the record cannot be written."""
    content = {"size": path.stat().st_size, "metadata": metadata}
    with atomic_write(_record(path)) as part:
        part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def recorded_metadata(path: Path) -> dict[str, str]:
    """Return the metadata that lies beside a file, such as `au_scale`; empty if there is none for this content."""
    try:
        content = json.loads(_record(path).read_bytes())
        return content["metadata"] if content["size"] == path.stat().st_size else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _record(path: Path) -> Path:
    return path.parent / FOLDER / f"{path.name}.json"
