"""avfer train: an experiment to weights."""

import sys
from typing import Annotated

import typer

from avfer.cli.exits import Stopped


def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A recipe: a YAML file, or a bundled name such as my_labels.")
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set optimiser.rate=3e-4.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train a model on a corpus; the best weights come out with a card, ready for a pipeline."""
    from rich.console import Console

    from avfer.pipeline_config import parse_override
    from avfer.progress import Work
    from avfer.training.train import train as run
    from avfer.training.training_config import read_config

    experiment = read_config(config, dict(parse_override(text) for text in settings or []))
    with Work(Console(stderr=True), quiet) as shown:
        try:
            trained = run(experiment, resume, shown)
        except Stopped:
            raise Stopped("what is made and the last checkpoint are kept: go on with --resume") from None
    told = ", ".join(f"{name} {value:.4f}" for name, value in trained.scores.items())
    print(f"{trained.epochs} epochs; the best: {told}", file=sys.stderr)
    print(trained.weights)
