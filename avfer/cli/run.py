"""avfer run: clips to tables."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from avfer.cli.shared_options import (
    DEVICE,
    INPUT,
    PIPELINE,
    AsJson,
    Baseline,
    Blur,
    Exports,
    Formats,
    Fps,
    NumbersOnly,
    Person,
    Quiet,
    Region,
    Sound,
    StageSettings,
    Start,
    Stills,
    Stop,
    Threads,
    check_folder,
    clip_settings,
)
from avfer.errors import FAILED, ConfigError
from avfer.garbage import lasting_objects

if TYPE_CHECKING:
    from avfer.jobs import Job, Outcome


def run(
    pipeline: Annotated[str, PIPELINE],
    inputs: Annotated[list[str], INPUT],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder for results.")] = Path(
        "avfer_out"
    ),
    formats: Formats = "parquet",
    exports: Exports = None,
    report: Annotated[
        bool, typer.Option("--report", help="Short for --export report: a page with charts (HTML).")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Short for --export overlay: the video with the results drawn on it.")
    ] = False,
    draw: Annotated[
        str | None,
        typer.Option(
            "--draw", metavar="LIST", help="Draw on each face of the overlay, with commas: landmarks, pose, gaze."
        ),
    ] = None,
    blur: Blur = None,
    sound: Sound = None,
    start: Start = None,
    stop: Stop = None,
    region: Region = None,
    person: Person = None,
    fps: Fps = None,
    stills: Stills = False,
    baseline: Baseline = None,
    numbers_only: NumbersOnly = False,
    device: Annotated[str, DEVICE] = "auto",
    threads: Threads = None,
    settings: StageSettings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that already exist.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict affect in clips and write one table for each."""
    from avfer.export import find_exporter
    from avfer.export.face_drawing import parse_drawings
    from avfer.jobs import Outcome
    from avfer.option_types import check_given_option
    from avfer.yaml_reader import parse_overrides

    check_given_option("--blur", blur, Literal["others", "all"])  # an empty text must not leave faces visible
    names = list(dict.fromkeys(name.strip() for name in formats.split(",")))
    drawn = draw is not None or blur is not None
    short_forms = {"report": report, "overlay": overlay or drawn}
    exporters = [name for name, given in short_forms.items() if given] + (exports or [])
    jobs = _plan(inputs, stills, sound, output, names, list(dict.fromkeys(exporters)))
    if drawn:
        jobs = [_with_drawings(job, draw, blur) for job in jobs]
        find_exporter("overlay", jobs[0].export_options["overlay"])  # raises ConfigError for an unknown name of --draw
    options = clip_settings(start, stop, fps, region, person, baseline, numbers_only)
    options |= {"landmarks": True} if "landmarks" in parse_drawings(draw or "") else {}
    missing = (path for job in jobs for path in job.outputs if overwrite or not path.exists())
    for folder in dict.fromkeys(path.parent for path in missing):
        check_folder(folder)
    outcomes: list[Outcome] = []
    begin = time.perf_counter()
    try:
        _run(pipeline, options | parse_overrides(settings), jobs, outcomes, device, threads, overwrite, quiet)
    finally:  # an interrupted run still prints what it has finished
        _print(outcomes, time.perf_counter() - begin, as_json)
    if any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(FAILED)


def _with_drawings(job: "Job", draw: str | None, blur: str | None) -> "Job":
    """Return a job whose overlay draws on faces or blurs them; if it blurs faces, its report has no pictures."""
    options = {} if draw is None else {"draw": draw, "landmarks": str(next(iter(job.landmarks.values())))}
    options |= {} if blur is None else {"blur": blur}
    page = {} if blur is None else {"report": {"video": "none"}}
    return replace(job, export_options={**job.export_options, "overlay": options, **page})


def _plan(
    inputs: list[str], stills: bool, sound: str | None, output: Path, formats: list[str], exporters: list[str]
) -> "list[Job]":
    """Return a job for each clip behind the inputs. Raises ConfigError for wrong inputs and names."""
    from avfer.inputs import find_clips
    from avfer.jobs import job_for_input
    from avfer.output_names import output_names
    from avfer.sound_files import belongs_to_clip, with_sound

    clips = [with_sound(clip, sound) for clip in find_clips(inputs, stills) if not belongs_to_clip(sound, clip.path)]
    if not clips:
        raise ConfigError("--input names no clip, only sound files of clips")
    return [
        job_for_input(clip, output, formats, exporters, name)
        for clip, name in zip(clips, output_names(clips), strict=True)
    ]


def _run(
    name: str,
    overrides: dict[str, Any],
    jobs: "list[Job]",
    outcomes: "list[Outcome]",
    device: str,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Run the jobs one after another and append an outcome for each to `outcomes`.

    name: of the pipeline, whose options `overrides` changes.
    """
    from avfer.option_types import Threads as ThreadCount
    from avfer.option_types import check_device, check_given_option
    from avfer.pipeline_config import read_pipeline

    check_given_option("--threads", threads, ThreadCount)
    check_device(device)
    spec = read_pipeline(name, overrides)

    with lasting_objects():  # torch is imported here, which takes seconds
        from rich.console import Console

        from avfer.clip_progress import ClipProgress, outcome_text
        from avfer.export.summary import summary_table
        from avfer.jobs import check_existing, run_job
        from avfer.pipeline import Pipeline
        from avfer.progress import open_display

        pipeline = Pipeline(spec, device, max_threads=threads)
    if spec.numbers_only:
        _check_pictures(jobs)
    if not overwrite:
        check_existing(jobs, pipeline)
    console = Console(stderr=True)
    console = console if console.is_terminal else Console(stderr=True, width=100)
    with open_display(console, quiet) as display:
        progress = ClipProgress(display, len(jobs))
        for job in jobs:
            progress.begin(job.clip)
            outcomes.append(run_job(job, pipeline, overwrite, progress.advance))
            progress.end(outcomes[-1])
    if len(outcomes) == 1 and outcomes[0].summary and not quiet:
        plain = not console.encoding.lower().startswith("utf")
        title = f"{jobs[0].clip.name}: {outcome_text(outcomes[0])}" if console.is_terminal else ""
        console.print(summary_table(outcomes[0].summary, title, console.width, plain))


def _check_pictures(jobs: "list[Job]") -> None:
    """Raise ConfigError if a job writes pictures of a clip; warn of those that earlier runs wrote beside its table."""
    from avfer.export.privacy import warn_of_pictures
    from avfer.jobs import check_no_pictures

    check_no_pictures(jobs)
    tables = [next(iter(job.tables.values())) for job in jobs]
    warn_of_pictures(tables, {path for job in jobs for path in job.outputs})


def _print(outcomes: "list[Outcome]", seconds: float, as_json: bool) -> None:
    """Print warnings, failures and notes on standard error, and the files (or one JSON object) on standard output.

    Keys of the object: outputs, the files that exist; failures, [{"input": ..., "reason": ...}]; kept, the inputs whose
    files existed before; rows, of all new tables; seconds. Nothing is printed before the first outcome.
    """
    from avfer.clip_warnings import ClipWarnings

    found = ClipWarnings()
    for outcome in outcomes:
        found.add(outcome.job.given, outcome.warnings)
    for line in found.lines():
        print(f"avfer: warning: {line}", file=sys.stderr)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        print(f"avfer: {outcome.job.given} failed: {outcome.error}", file=sys.stderr)
    for outcome in outcomes:
        if outcome.note:
            print(f"avfer: {outcome.job.given}: {outcome.note}", file=sys.stderr)
    written = [str(path) for outcome in outcomes for path in outcome.done]
    if not as_json:
        print(*written, sep="\n", end="\n" if written else "", flush=True)
    elif outcomes:
        failures = [{"input": outcome.job.given, "reason": outcome.error} for outcome in failed]
        kept = [outcome.job.given for outcome in outcomes if outcome.kept]
        rows = sum(outcome.summary.rows for outcome in outcomes if outcome.summary)
        result = {"outputs": written, "failures": failures, "kept": kept, "rows": rows, "seconds": round(seconds, 3)}
        print(json.dumps(result, ensure_ascii=False), flush=True)
