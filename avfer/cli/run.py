"""avfer run: clips to tables."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avfer.cli.exits import FAILED
from avfer.errors import ConfigError

if TYPE_CHECKING:
    from avfer.jobs import Job, Outcome


def run(
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="A YAML file, or aver, vision or voice.")],
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="PATH...",
            help="Files, folders (with all media in them and below), globs, or a .txt list of such.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="The folder for results.")] = Path("avfer_out"),
    formats: Annotated[
        str, typer.Option("--format", metavar="LIST", help="parquet, csv, jsonl, or several with commas.")
    ] = "parquet",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STAGE.OPTION=VALUE", help="Change an option of the pipeline."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make results anew that are there already.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write a page with charts (HTML).")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Also write the video with the results on it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of paths.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Read affect from clips and write one table for each."""
    from avfer.jobs import Outcome, plan

    jobs = [plan(clip, output, _formats(formats), report, overlay) for clip in _clips(inputs)]
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output} is a file; results need a folder")
    outcomes: list[Outcome] = []
    start = time.perf_counter()
    try:
        _run(pipeline, jobs, device, settings or [], overwrite, quiet, outcomes)
    finally:  # an interrupted run tells what it has finished
        _tell(outcomes, time.perf_counter() - start, as_json)
    if any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(FAILED)


def _clips(inputs: list[str]) -> list[Path]:
    from avfer.inputs import check_names, find_clips

    clips = find_clips(inputs)
    check_names(clips)
    return clips


def _formats(text: str) -> tuple[str, ...]:
    from avfer.export.files import check_format

    return tuple(dict.fromkeys(check_format(name.strip()) for name in text.split(",")))


def _run(
    name: str,
    jobs: "list[Job]",
    device: str,
    settings: list[str],
    overwrite: bool,
    quiet: bool,
    outcomes: "list[Outcome]",
) -> None:
    """Do the jobs one by one; `outcomes` grows as they end."""
    from rich.console import Console

    from avfer.export.terminal import summary_table
    from avfer.jobs import do
    from avfer.pipeline import load
    from avfer.pipeline_config import parse_override
    from avfer.progress import told, watch

    pipeline = load(name, device, **dict(parse_override(text) for text in settings))
    console = Console(stderr=True)
    console = console if console.is_terminal else Console(stderr=True, width=100)
    with watch(console, len(jobs), quiet) as shown:
        for job in jobs:
            shown.begin(job.clip)
            outcomes.append(do(job, pipeline, overwrite, shown.part))
            shown.end(outcomes[-1])
    if len(outcomes) == 1 and outcomes[0].summary and not quiet:
        plain = not console.encoding.lower().startswith("utf")
        title = f"{jobs[0].clip.name}: {told(outcomes[0])}" if console.is_terminal else ""
        console.print(summary_table(outcomes[0].summary, title, console.width, plain))


def _tell(outcomes: "list[Outcome]", seconds: float, as_json: bool) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        print(f"avfer: {outcome.job.clip} failed: {outcome.error}", file=sys.stderr)
    for outcome in outcomes:
        if outcome.note:
            print(f"avfer: {outcome.job.clip}: {outcome.note}", file=sys.stderr)
    written = [str(path) for outcome in outcomes for path in outcome.done]
    if not as_json:
        print(*written, sep="\n", end="\n" if written else "", flush=True)
    elif outcomes:
        failures = [{"input": str(outcome.job.clip), "reason": outcome.error} for outcome in failed]
        kept = [str(outcome.job.clip) for outcome in outcomes if outcome.kept]
        rows = sum(outcome.summary.rows for outcome in outcomes if outcome.summary)
        told = {"outputs": written, "failures": failures, "kept": kept, "rows": rows, "seconds": round(seconds, 3)}
        print(json.dumps(told, ensure_ascii=False), flush=True)
