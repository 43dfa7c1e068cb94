"""The command `avfer train`: from a recipe to weights."""

import sys
from typing import Annotated

import typer

from avfer.cli.shared_options import Quiet
from avfer.errors import Stopped, counted


def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A recipe: a YAML file, or a bundled name such as my_labels.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe: --set optimiser.rate=3e-4."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in the output.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a corpus and write the best weights.

    The weights come with a card and are ready for a pipeline.
    """
    from avfer.training.training_config import read_config
    from avfer.yaml_reader import parse_overrides

    recipe = read_config(config, parse_overrides(settings))

    from rich.console import Console  # from here on torch is imported, which takes seconds

    from avfer.progress import StepProgress, open_display
    from avfer.training.train_model import train as run_training

    with open_display(Console(stderr=True), quiet) as display:
        try:
            trained = run_training(recipe, resume, StepProgress(display))
        except Stopped:
            raise Stopped("the last checkpoint is kept: continue with --resume") from None
    scores = ", ".join(f"{name} {value:.4f}" for name, value in trained.scores.items())
    print(f"{counted(trained.epochs, 'epoch')}; the best: {scores}", file=sys.stderr)
    print(f"score it: {trained.evaluation}", file=sys.stderr)
    print(trained.weights)
