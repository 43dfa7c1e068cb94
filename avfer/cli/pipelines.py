"""The command `avfer pipelines`: list the bundled pipelines, and show one with every option of its stages."""

from typing import Annotated

import typer

from avfer.cli.commands import command, command_group

app = command_group("List pipelines, and show their YAML and options.", example="avfer pipelines show aver")


@command(app, "list", example="avfer pipelines list")
def list_pipelines() -> None:
    """List the bundled pipelines."""
    from avfer.pipeline_listing import print_pipelines

    print_pipelines()


@command(app, "show", example="avfer pipelines show vision")
def show_pipeline(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer pipelines list`, or a YAML file.")],
) -> None:
    """Show the YAML of a pipeline and every option of its stages.

    Each option has its value, default, type, range and unit.
    """
    from avfer.configurations import find_configuration

    find_configuration("pipeline", name)

    from avfer.pipeline_listing import print_pipeline  # imports torch, which takes seconds

    print_pipeline(name)
