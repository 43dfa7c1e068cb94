"""avfer submit: write and check files for the ABAW challenges."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avfer.cli.commands import command, command_group
from avfer.cli.shared_options import Overwrite, check_replaceable
from avfer.errors import FAILED, ConfigError, counted

EXAMPLE = "avfer submit check --task va --example sample.txt va.txt"
app = command_group("Write and check submission files of the ABAW challenges.", example=EXAMPLE)


class Challenge(StrEnum):
    """The challenges with submission files."""

    VA = "va"
    EXPR = "expr"
    AU = "au"


TaskOption = Annotated[
    Challenge,
    typer.Option("--task", metavar="va|expr|au", help="Valence and arousal, expressions, or action units."),
]
ExampleOption = Annotated[
    Path,
    typer.Option(
        "--example", metavar="FILE", help="The organisers' sample file; a submission has its rows in its order."
    ),
]


@command(
    app,
    "write",
    example="avfer submit write --task va --example sample.txt --predictions tables/ --output va.txt",
)
def write_submission(
    task: TaskOption,
    example: ExampleOption,
    predictions: Annotated[
        Path,
        typer.Option(
            "--predictions",
            metavar="DIR",
            help="Folder of tables, one for each video, as `avfer run` and `avfer label` make them.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The file to write.")],
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="P",
            help="An action unit occurs where its value is above it. Needed for measured units (au_scale activation);"
            " 0.5 by default for probabilities.",
        ),
    ] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Repeat the last value for frames that a table has no row of.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a submission that predicts every row of the sample.

    If a prediction is missing, nothing is written.
    """
    from avfer.evaluation.submission import write_submission
    from avfer.option_types import Share, check_given_option

    check_given_option("--threshold", threshold, Share)
    check_replaceable(output, overwrite)
    if not predictions.is_dir():
        raise ConfigError(f"no folder with predictions at {predictions}; check the path behind --predictions")
    written = write_submission(task.value, example, predictions, output, extend=extend, threshold=threshold)
    print(f"{counted(written.rows, 'row')}, {written.filled} with the prediction of another frame", file=sys.stderr)
    print(written.path)


@command(app, "check", example=EXAMPLE)
def check_submission(
    task: TaskOption,
    example: ExampleOption,
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The file to check, made by any program.")],
) -> None:
    """List every fault that would keep a file from being scored.

    Each fault is listed with its line. The exit code is 3 if there are any.
    """
    from avfer.evaluation.submission_check import check_submission

    faults = check_submission(task.value, example, submission)
    for fault in faults:
        print(f"{submission}, line {fault.line}: {fault.message}" if fault.line else f"{submission}: {fault.message}")
    whole = "no faults: every row is present, in order, in range"
    print(counted(len(faults), "fault") if faults else whole, file=sys.stderr)
    if faults:
        raise typer.Exit(FAILED)
