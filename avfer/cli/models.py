"""The command `avfer models`: list, show, import, verify."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avfer.cli.commands import command, command_group
from avfer.cli.shared_options import Overwrite, check_replaceable
from avfer.errors import FAILED

app = command_group("List, inspect, import and verify models.", example="avfer models show aver_lite")


class Licence(StrEnum):
    """What the licence of weights allows."""

    COMMERCIAL = "commercial"
    RESEARCH = "research"


NAME = typer.Argument(metavar="NAME", help="A name from `avfer models list`.")


@command(app, "list", example="avfer models list")
def list_models(
    licence: Annotated[
        Licence | None,
        typer.Option(
            "--licence",
            metavar="commercial|research",
            help="List only weights for this use.",
        ),
    ] = None,
) -> None:
    """List all models with inputs, cost, licence and published results.

    MACs are multiply-adds for one input. `timm:NAME` can be used as well and is not listed.
    """
    from avfer.listed_models import print_models

    print_models(None if licence is None else licence is Licence.COMMERCIAL)


@command(app, "show", example="avfer models show aver_lite")
def show_model(name: Annotated[str, NAME]) -> None:
    """Show the card of a model: inputs, classes, data, licences.

    The card also has the measured results. Crop size, mean, standard deviation and order of the channels come from here
    when a pipeline uses the model.
    """
    from avfer.catalog import kind_of

    kind_of(name)  # an unknown name is an error before torch is imported, which takes seconds

    from avfer.model_details import print_card

    print_card(name)


@command(app, "import", example="avfer models import dan dan.pth --output dan.safetensors")
def import_model(
    name: Annotated[str, NAME],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The authors' checkpoint: .pth, .tar, .npz, ...")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The .safetensors file to write.")],
    num_classes: Annotated[
        int | None, typer.Option("--num-classes", metavar="K", help="Number of classes the file must have.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", metavar="A,B,...", help="Classes in the order of the logits, or the name of a corpus."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert a checkpoint of the authors to .safetensors with a card.

    No code from the file is run. The path of the new file goes to standard output. A checkpoint that does not fit the
    model is rejected (exit code 2) with the names of the tensors that differ.
    """
    from pydantic import Field

    from avfer.models.checkpoint_import import import_weights
    from avfer.option_types import Count, check_given_option

    check_given_option("--num-classes", num_classes, Annotated[Count, Field(ge=1, le=100_000)])
    check_replaceable(output, overwrite)
    imported = import_weights(name, file, output, num_classes, classes)
    for note in imported.notes:
        print(f"avfer: warning: {note}", file=sys.stderr)
    if imported.card.classes:
        print(f"classes: {', '.join(imported.card.classes)}", file=sys.stderr)
    print(imported.path)


@command(app, "verify", example="avfer models verify dan tests/golden/dan8")
def verify_model(
    name: Annotated[str, NAME],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with manifest.json and golden.npz.")],
) -> None:
    """Compare a model with stored outputs of its published version.

    The exit code is 3 if any output differs. Model and outputs use the same deterministic weights, so no checkpoint is
    needed.
    """
    from avfer.catalog import kind_of

    kind_of(name)  # an unknown name is an error before torch is imported, which takes seconds

    from avfer.model_details import print_deviations

    if not print_deviations(name, folder):
        raise typer.Exit(FAILED)
