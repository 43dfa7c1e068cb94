"""avfer export: a table to the files of another program."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avfer.catalog import NAMES
from avfer.cli.shared_options import Overwrite, check_replaceable
from avfer.errors import AvferWarning, ConfigError

if TYPE_CHECKING:
    from avfer.export import Exporter

SAME_FORMAT = ({".csv", ".tsv", ".txt"}, {".html", ".htm"}, {".jpg", ".jpeg"})  # endings of one format of files


def export(
    name: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help=f"{', '.join(NAMES['exporter'])} or package.module:Name."),
    ],
    file: Annotated[Path, typer.Argument(metavar="TABLE", help="The table of one clip: .parquet, .csv or .jsonl.")],
    output: Annotated[
        Path,
        typer.Option("--output", metavar="PATH", help="The file to write; some formats write further files beside it."),
    ],
    clip: Annotated[
        Path | None,
        typer.Option(
            "--clip",
            metavar="FILE",
            help="The media file that elan and report link and overlay draws on; by default the one that the table"
            " names is searched beside the table, in the folder above it and in the current folder.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OPTION=VALUE",
            help="Change an option of the format (delimiter=tab) or an event (smile.on=0.6); can be given several"
            " times.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a table as the file of another program.

    The video is not needed, but for overlay. openface, fex and praat write a note beside the file that states scales
    and what is blank.
    """
    from avfer.export import HasSideFiles, LinksClip, find_exporter, metadata_of, output_suffix
    from avfer.export.file_records import record_metadata
    from avfer.export.privacy import check_numbers_only, is_numbers_only
    from avfer.export.table_reader import find_clip, read_table

    exporter = find_exporter(name, _options(settings or []))
    table = read_table(file)
    media = clip or find_clip(file, table)
    metadata = metadata_of(table.schema)
    numbers_only = is_numbers_only(metadata)
    if numbers_only:
        check_numbers_only(name, exporter)
    _check_clip(exporter, name, media)
    sides = exporter.side_files(table, output) if isinstance(exporter, HasSideFiles) else []
    suffix = output_suffix(exporter, media)
    _check_outputs([output, *sides], file, suffix, overwrite)
    _check_ending(output, name, suffix)
    exporter.write(table, media, output)
    if not settings:  # a record states no options, and `avfer run` would keep the file as if made without them
        record_metadata(output, exporter, metadata)
    links_clip = isinstance(exporter, LinksClip) and exporter.links_clip and not numbers_only
    if links_clip and not media.exists():
        text = f"{output} links the clip at {media}, which does not exist; name the clip with --clip"
        warnings.warn(text, AvferWarning, stacklevel=2)
    print(output, *sides, sep="\n")


def _options(settings: list[str]) -> dict[str, Any]:
    """Return the options of the exporter; settings with a dot, such as smile.on=0.6, make the option `events`."""
    from avfer.export.table_segments import read_kinds
    from avfer.yaml_reader import parse_overrides

    events = [setting for setting in settings if "." in setting.partition("=")[0]]
    options = parse_overrides(setting for setting in settings if setting not in events)
    return options | ({"events": read_kinds(events)} if events else {})


def _check_clip(exporter: "Exporter", name: str, clip: Path) -> None:
    """Raise ConfigError if an exporter reads the clip, and it is missing."""
    if exporter.needs_frames and not clip.exists():
        raise ConfigError(f"'{name}' reads the clip, and there is none at {clip}; name it with --clip FILE")


def _check_outputs(outputs: list[Path], table: Path, suffix: str, overwrite: bool) -> None:
    """Raise ConfigError if a file cannot be one of the outputs: the table, one named twice, or an existing one.

    suffix: the usual ending of the format, such as ".eaf".
    """
    for number, path in enumerate(outputs):
        if path.is_dir():
            raise ConfigError(f"--output: {path} is a folder; name the file to write")
        if path.exists() and path.samefile(table):
            raise ConfigError(f"--output: {path} is the table that is exported; give another name")
        if path in outputs[:number]:
            raise ConfigError(f"--output: {path} would be written twice; give a name that ends in {suffix}")
        check_replaceable(path, overwrite)


def _check_ending(output: Path, name: str, suffix: str) -> None:
    """Raise ConfigError if a file does not end as the format that an exporter writes.

    suffix: of the exporter called `name`. Only its last ending must agree, apart from ".gz": ".tsv" for the suffix
    "_physio.tsv.gz".
    """
    packed = ".gz" if suffix.endswith(".gz") else ""
    found, right = (Path(text.lower().removesuffix(packed)).suffix for text in (output.name, f"name{suffix}"))
    if right and found not in next((endings for endings in SAME_FORMAT if right in endings), {right}):
        raise ConfigError(f"--output: '{name}' writes another format than {output}; give a name that ends in {suffix}")
