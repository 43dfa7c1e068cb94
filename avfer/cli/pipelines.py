"""The command `avfer pipelines`: list the bundled pipelines, and show one with every option of its stages."""

from typing import Annotated

import typer

app = typer.Typer(
    help="List pipelines, and show their YAML and options.",
    epilog="Example: avfer pipelines show aver",
    no_args_is_help=True,
)


@app.command("list", epilog="Example: avfer pipelines list")
def list_pipelines() -> None:
    """List the bundled pipelines."""
    from avfer.pipeline_listing import print_pipelines

    print_pipelines()


@app.command("show", epilog="Example: avfer pipelines show vision")
def show_pipeline(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer pipelines list`, or a YAML file.")],
) -> None:
    """Show the YAML of a pipeline, and every option of its stages with value, default, type, range and unit."""
    from avfer.pipeline_listing import print_pipeline

    print_pipeline(name)
