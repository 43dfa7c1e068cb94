"""avfer report: tables as one playable page, or a labelled corpus as one page."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avfer.cli.report_corpus import check_corpus_options, labelled_folder, report_corpus
from avfer.cli.shared_options import Overwrite, check_replaceable
from avfer.errors import DONE, FAILED, AvferWarning, ConfigError, shortened

if TYPE_CHECKING:
    from pyarrow import Table

    from avfer.export.clip_report.html_report import AgreementText


def report(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE|DIR",
            help="Tables of avfer run or avfer label, for a page that shows one clip at a time; or the output folder of"
            " avfer label, for a page on all its clips.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE.html", help="The page to write.")],
    clip: Annotated[
        Path | None,
        typer.Option(
            "--clip",
            metavar="PATH",
            help="The video, or the folder with the videos; by default each is searched beside its table, in the folder"
            " above it and in the current folder.",
        ),
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put the video into the page, so that one file can be passed on.")
    ] = False,
    transcode: Annotated[
        bool,
        typer.Option("--transcode", help="Write an MP4 beside the page if browsers do not play the video (MKV, HEVC)."),
    ] = False,
    numbers_only: Annotated[
        bool, typer.Option("--numbers-only", help="Leave out the video and all pictures of faces.")
    ] = False,
    coding: Annotated[
        Path | None,
        typer.Option(
            "--coding",
            metavar="CODING",
            help="Also show the agreement with a human coding, as avfer agree computes it for one table.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="P", help="With --coding: an action unit is predicted above this value."),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="With a folder of avfer label: also write the page of each clip into it.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a page on a clip with its video, or on a labelled corpus.

    Curves, faces and the video of a clip follow each other. The page opens from disk in any browser and loads nothing
    but the video, which it links unless --embed is given.
    For a folder of avfer label, the page lists all clips with their coverage and failures, and their distributions.
    """
    from avfer.export.clip_report.html_report import HtmlReport
    from avfer.export.table_reader import AFFECT, find_tables, read_table

    _check_output(output, tables, overwrite)
    if numbers_only and (embed or transcode):
        raise ConfigError("--numbers-only leaves out the video; do not combine it with --embed or --transcode")
    page = HtmlReport("none" if numbers_only else "embed" if embed else "link", transcode)
    if folder := labelled_folder(tables):
        check_corpus_options(each, {"--clip": clip, "--coding": coding, "--threshold": threshold}, page)
        failures = report_corpus(folder, output, page if each else None, overwrite)
        print(output)
        raise typer.Exit(FAILED if failures else DONE)
    if each:
        raise ConfigError("--each: needs the output folder of avfer label in place of tables")
    if threshold is not None and coding is None:
        raise ConfigError("--threshold: applies to --coding only; add --coding, or leave it out")
    files = list(dict.fromkeys(file for path in tables for file in find_tables(path)))
    read = [(table := read_table(file, AFFECT), _clip_of(file, table, clip)) for file in files]
    agreement = _agreement(files, coding, threshold)
    page.write_tables(read, output, agreement)
    absent = [str(media) for table, media in read if not media.exists() and not _without_video(table, numbers_only)]
    if absent:
        clips = "" if len(read) == 1 else f" for {len(absent)} of {len(read)} tables"
        text = f"the page has no video{clips}, because there is none at {shortened(absent)}; name it with --clip"
        warnings.warn(text, AvferWarning, stacklevel=2)
    print(output)


def _check_output(output: Path, tables: list[Path], overwrite: bool) -> None:
    """Raise ConfigError unless the page can be written: its ending, a folder of that name, an existing file."""
    if output.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"--output: a page ends in .html, got '{output}'")
    if output.is_dir():
        raise ConfigError(f"--output: {output} is a folder; name the file to write")
    check_replaceable(output, overwrite)


def _clip_of(file: Path, table: "Table", given: Path | None) -> Path:
    """Return the clip of a table, or the folder of its clips if it has several; it may be missing.

    given: --clip. Raises ConfigError if that does not exist.
    """
    from avfer.export.table_reader import find_clip

    if given is None:
        return find_clip(file, table)
    if not given.exists():
        raise ConfigError(f"--clip: there is no file or folder at {given}; check the path")
    return find_clip(file, table, [given]) if given.is_dir() else given


def _without_video(table: "Table", numbers_only: bool) -> bool:
    """Return whether a table is shown without its video in any case. numbers_only: of the page."""
    from avfer.export import metadata_of
    from avfer.export.privacy import is_numbers_only

    return numbers_only or is_numbers_only(metadata_of(table.schema))


def _agreement(files: list[Path], coding: Path | None, threshold: float | None) -> "AgreementText | None":
    """Return the agreement of one table with a coding. Raises ConfigError if there are several tables."""
    if coding is None:
        return None
    if len(files) != 1:
        raise ConfigError(f"--coding: compares one table, got {len(files)}; use avfer agree for several")
    from avfer.evaluation.agreement_report import EXPLAINED, HEADS, agreement_rows
    from avfer.evaluation.coding_agreement import agree
    from avfer.export.clip_report.html_report import AgreementText
    from avfer.option_types import Share, check_given_option

    check_given_option("--threshold", threshold, Share)
    found = agree(files[0], coding, threshold=threshold)
    return AgreementText(EXPLAINED, HEADS, agreement_rows(found), found.notes, list(found.facts.items()))
