"""avfer summarize: tables to statistics of each person, for R, SPSS and pandas."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avfer.catalog import NAMES
from avfer.cli.shared_options import Formats, Overwrite, Quiet, check_replaceable
from avfer.errors import FAILED, ConfigError, DatasetError

if TYPE_CHECKING:
    from pyarrow import Table

    from avfer.export.table_segments import EventKind

FOLDER = Path("avfer_summary")  # of the default output


def summarize(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE|DIR", help="Tables of avfer run, or folders with tables, such as those of avfer label."
        ),
    ],
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="S", help="One row for each window of S seconds, not for the whole clip."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="The file to write, in the format of its ending; default: avfer_summary/NAME.csv, named after TABLE.",
        ),
    ] = None,
    formats: Formats = "",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="EVENT.OPTION=VALUE",
            help="Change an event (smile, blink): column, on, off, min_duration, max_duration, max_gap; or add one:"
            " frown.column=au04. Can be given several times.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write statistics of each person in tables, for R and SPSS.

    The result has one row for each clip and person, or for each window: mean, SD, quantiles, share of each expression,
    rate and duration of smiles and blinks, coverage and quality. All values are weighted by time; gaze counts while the
    eyes are open (eye_closed below 0.5).
    """
    from avfer.export.person_statistics import join_summaries
    from avfer.export.table_reader import find_tables
    from avfer.export.table_segments import read_kinds
    from avfer.export.table_writer import TableWriter

    outputs = _outputs(output or FOLDER / f"{tables[0].resolve().stem}.csv", formats, overwrite)
    kinds = read_kinds(settings or [])
    files = list(dict.fromkeys(file for path in tables for file in find_tables(path)))
    summaries, failures = _summarize(files, window, kinds, quiet)
    if not summaries:
        raise DatasetError(failures[0] if len(failures) == 1 else f"no table could be read; the first: {failures[0]}")
    summary = join_summaries(summaries)
    for path, name in outputs.items():
        with TableWriter(path, name) as writer:
            writer.append(summary)
    if not quiet:
        print(*dict.fromkeys(summary["event_rules"].to_pylist()), sep="\n", file=sys.stderr)
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    print(*outputs, sep="\n")
    if failures:
        raise typer.Exit(FAILED)


def _outputs(output: Path, formats: str, overwrite: bool) -> dict[Path, str]:
    """Return the files to write, with the format of each: the suffix of `output`, or all of `formats`.

    Raises ConfigError for an unknown format, or for a file that exists if `overwrite` is False.
    """
    from avfer.export import find_format

    names = [name.strip() for name in formats.split(",") if name.strip()]
    if names:
        outputs = {output.with_suffix(find_format(name).suffix): name for name in names}
    else:
        if not output.suffix or output.is_dir():
            raise ConfigError(f"--output: {output} must be a file that ends in .{', .'.join(NAMES['format'])}")
        outputs = {output: output.suffix.removeprefix(".")}
        find_format(outputs[output])
    for path in outputs:
        check_replaceable(path, overwrite)
    return outputs


def _summarize(
    files: list[Path], window: float | None, kinds: "dict[str, EventKind]", quiet: bool
) -> "tuple[list[Table], list[str]]":
    """Return the summaries of all tables that can be read, and why the others cannot."""
    from rich.console import Console

    from avfer.export.person_statistics import summarize_people
    from avfer.export.table_reader import AFFECT, read_table
    from avfer.progress import StepProgress, open_display

    summaries: list[Table] = []
    failures: list[str] = []
    with open_display(Console(stderr=True), quiet) as display:
        progress = StepProgress(display)
        for number, file in enumerate(files, 1):
            try:
                table = read_table(file, AFFECT)
                summaries.append(summarize_people(table, window, kinds))
            except DatasetError as error:
                failures.append(str(error) if str(file) in str(error) else f"{file}: {error}")
            progress("tables", number, len(files))
    return summaries, failures
