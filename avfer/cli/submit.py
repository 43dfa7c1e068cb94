"""avfer submit: files for the ABAW challenges, written so that they are scored, and checked."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avfer.cli.exits import FAILED
from avfer.errors import ConfigError

app = typer.Typer(help="Submission files of the ABAW challenges.", no_args_is_help=True)


class Task(StrEnum):
    """The challenges."""

    VA = "va"
    EXPR = "expr"
    AU = "au"


TaskOption = Annotated[Task, typer.Option("--task", help="Valence and arousal, expressions, or action units.")]
ExampleOption = Annotated[
    Path, typer.Option("--example", metavar="FILE", help="The organisers' sample file: its rows, in its order.")
]


@app.command("write")
def write_submission(
    task: TaskOption,
    example: ExampleOption,
    predictions: Annotated[
        Path, typer.Option(metavar="DIR", help="A folder of tables, one a video, as `avfer run` makes them.")
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    threshold: Annotated[float, typer.Option(metavar="P", help="Above it an action unit occurs.")] = 0.5,
    extend: Annotated[
        bool, typer.Option("--extend", help="Hold the last value where a table ends before the sample does.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a submission: every row of the sample is predicted, or nothing is written."""
    from avfer.evaluation.submission import write

    if output.exists() and not overwrite:
        raise ConfigError(f"{output} exists; give another name, or --overwrite")
    if not predictions.is_dir():
        raise ConfigError(f"no folder with predictions at {predictions}; check the path behind --predictions")
    written = write(task.value, example, predictions, output, extend=extend, threshold=threshold)
    held = (
        f"{written.filled} of them held the last value, for nothing was read there" if written.filled else "none held"
    )
    print(f"{written.rows} rows, {held}", file=sys.stderr)
    print(written.path)


@app.command("check")
def check_submission(
    task: TaskOption,
    example: ExampleOption,
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="Anybody's file.")],
) -> None:
    """Tell every fault that would keep a file from being scored, with its line."""
    from avfer.evaluation.submission import check

    faults = check(task.value, example, submission)
    for fault in faults:
        print(f"{submission}, line {fault.line}: {fault.told}" if fault.line else f"{submission}: {fault.told}")
    print(f"{len(faults)} faults" if faults else "sound: every row is there, in order, and in range", file=sys.stderr)
    if faults:
        raise typer.Exit(FAILED)
