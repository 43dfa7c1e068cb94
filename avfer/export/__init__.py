"""Files made from the table of a clip: tables on disk (formats), and pages, videos and figures (exporters).

Everything here reads pyarrow tables with the columns of `AffectTrack.to_table` and knows nothing of the pipeline.

To add a table format, write a class with the members of TableFormat and one line in avfer.catalog under "format";
to add an exporter, write a class with the members of Exporter and one line under "exporter". `avfer run` finds both by
name: `--format NAME`, `--export NAME`. A class outside avfer needs no line: it is named `package.module:Name`.

Every exporter gets the table and the path of the clip. `avfer run` calls it after the clip was read, `avfer export`
with a table from disk, whose clip may be missing. So only an exporter that `needs_frames` may rely on the clip. All
others work without it: the report shows video and faces if the clip exists, others write its path as a link.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol, runtime_checkable

from avfer.catalog import NAMES, check_call, find
from avfer.errors import ConfigError, unknown
from avfer.option_types import check_options
from avfer.picture_files import is_photograph

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CarriesMetadata",
    "Exporter",
    "HasSideFiles",
    "LinksClip",
    "TableFormat",
    "UsesSound",
    "WritesStills",
    "beside",
    "find_exporter",
    "find_format",
    "metadata_of",
    "output_suffix",
]


class TableFormat(Protocol):
    """Encodes the rows of one table into an open binary file.

    file: opened for writing bytes; schema: of every table that is written.
    """

    suffix: ClassVar[str]  # end of the file name, with its dot: ".parquet"

    def __init__(self, file: BinaryIO, schema: "pa.Schema") -> None: ...

    def write(self, table: "pa.Table") -> None:
        """Append rows. All calls but the last have the same number of rows, whatever the chunks of the pipeline."""
        ...

    def close(self) -> None:
        """Write what is buffered; the caller closes the file itself."""
        ...


class Exporter(Protocol):
    """Makes one file from the whole table of a clip.

    Options are arguments of the constructor with defaults, `avfer export csv --set decimal=comma`; those of a dataclass
    are checked against its types.
    """

    suffix: ClassVar[str]  # end of the file name after the stem of the clip: ".html", ".overlay.mp4"
    needs_frames: ClassVar[bool]  # True: reads the clip's pictures; skipped for a clip without decoded frames

    def write(self, table: "pa.Table", clip: Path, path: Path) -> None:
        """Write `path` from the table and the clip's media file; the file appears whole or not at all.

        clip: exists if `needs_frames`, else it may be only the name that the table states.
        """
        ...


@runtime_checkable
class HasSideFiles(Protocol):
    """An exporter that writes further files beside its own, such as a note or a series that its file links."""

    def side_files(self, table: "pa.Table", path: Path) -> list[Path]:
        """Return the further files that `write` makes for `path`, all written before it."""
        ...


@runtime_checkable
class LinksClip(Protocol):
    """An exporter whose file links the clip by its path, so that the other program opens it with the file."""

    links_clip: ClassVar[bool]


@runtime_checkable
class UsesSound(Protocol):
    """An exporter that also reads the sound of a clip, which may be in a separate file (`avfer run --sound`)."""

    def write_with_sound(self, table: "pa.Table", clip: Path, sound: Path, path: Path) -> None:
        """Do what `Exporter.write` does, with the sound of the file `sound` in place of the clip's own."""
        ...


@runtime_checkable
class WritesStills(Protocol):
    """An exporter that writes another format for a photograph than for a video."""

    still_suffix: ClassVar[str]  # in place of `suffix`: ".overlay.jpg"


@runtime_checkable
class CarriesMetadata(Protocol):
    """A format or an exporter whose files hold the metadata of the table; so `avfer run` knows what made them."""

    @staticmethod
    def read_metadata(path: Path) -> dict[str, str]:
        """Return the metadata of a file, empty if it has none or cannot be read."""
        ...


def metadata_of(schema: "pa.Schema") -> dict[str, str]:
    """Return the metadata of a table's schema as text; what pyarrow adds itself is left out."""
    metadata: dict[bytes, bytes] = schema.metadata or {}
    return {key.decode(): text.decode(errors="replace") for key, text in metadata.items() if key != b"ARROW:schema"}


def find_format(name: str) -> type[TableFormat]:
    """Return the class of a table format: "parquet", "csv", "jsonl" or `package.module:Name`.

    Raises ConfigError if the name is unknown, or the class lacks a member of TableFormat or takes other arguments.
    """
    if name in NAMES["exporter"].keys() - NAMES["format"].keys():
        remedy = f"write a table, then run avfer export {name} TABLE --output FILE"
        raise ConfigError(f"unknown format '{name}' of tables; it is an export: {remedy}")
    kind = find("format", name)
    check_call("format", name, kind)
    return kind


def find_exporter(name: str, options: Mapping[str, Any] | None = None) -> Exporter:
    """Return an exporter: "report", "overlay", "elan", ... or `package.module:Name`.

    options: arguments of its class, by default none. Raises ConfigError if the name or an option is unknown, the class
    lacks a member of Exporter, needs other arguments, or is a dataclass and an option is not of its type.
    """
    options = options or {}
    kind = find("exporter", name)
    known = [field.name for field in fields(kind) if field.init] if is_dataclass(kind) else list(options)
    for option in options:
        if option not in known:
            raise ConfigError(f"exporter '{name}': {unknown('option', option, known)}")
    check_call("exporter", name, kind, options)
    exporter = kind(**options)
    if is_dataclass(kind):
        check_options(exporter)
    return exporter


def output_suffix(exporter: Exporter, clip: Path) -> str:
    """Return the end of the name of the file that an exporter writes for a clip, which need not exist."""
    return exporter.still_suffix if isinstance(exporter, WritesStills) and is_photograph(clip) else exporter.suffix


def beside(path: Path, ending: str) -> Path:
    """Return the path of a file beside another one.

    >>> beside(Path("out/talk.physio.tsv.gz"), ".json").as_posix()
    'out/talk.physio.json'
    """
    return path.with_name(Path(path.name.removesuffix(".gz")).stem + ending)
