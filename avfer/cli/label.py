"""avfer label: label a corpus, show how far that is, and merge all tables into one dataset."""

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from avfer.cli.shared_options import (
    DEVICE,
    INPUT,
    PIPELINE,
    AsJson,
    Baseline,
    Blur,
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
    clip_settings,
)
from avfer.errors import FAILED, ConfigError, Stopped

if TYPE_CHECKING:
    from avfer.labelling.label_corpus import LabelReport

T = TypeVar("T")


def label(
    pipeline: Annotated[str | None, PIPELINE] = None,
    inputs: Annotated[list[str] | None, INPUT] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="DIR", help="The folder for the tables.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Workers at the same time; default: one for each core.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Use a Ray cluster; 'local' starts one here. --device can be a list then: cuda,cpu.",
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float, typer.Option("--gpus-per-worker", metavar="SHARE", help="Share of a GPU for each worker, on Ray.")
    ] = 1.0,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="Label only the I-th of N shares of the clips, I from 1."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try clips that failed before again.")] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Label all clips again, also those of another pipeline; with --merge: replace the dataset.",
        ),
    ] = False,
    max_seconds: Annotated[
        float | None,
        typer.Option("--max-seconds", metavar="S", help="Stop a clip that takes longer; it fails."),
    ] = None,
    max_memory: Annotated[
        float | None,
        typer.Option("--max-memory", metavar="GB", help="Stop a worker that uses more memory; its clip fails."),
    ] = None,
    sound: Sound = None,
    start: Start = None,
    stop: Stop = None,
    region: Region = None,
    person: Person = None,
    fps: Fps = None,
    stills: Stills = False,
    blur: Blur = None,
    baseline: Baseline = None,
    numbers_only: NumbersOnly = False,
    device: Annotated[str, DEVICE] = "auto",
    threads: Threads = None,
    settings: StageSettings = None,
    json_log: Annotated[
        bool, typer.Option("--json-log", help="Print every event as a line of JSON on standard error.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    status: Annotated[
        Path | None, typer.Option("--status", metavar="DIR", help="Show how far the labelling into DIR is.")
    ] = None,
    merge: Annotated[
        Path | None,
        typer.Option("--merge", metavar="DIR", help="Merge the tables in DIR into a dataset at --output."),
    ] = None,
) -> None:
    """Predict affect in all clips of a corpus, on several workers.

    Like avfer run, it writes one table for each clip; for many clips it also continues after an interruption, keeps the
    clips that are done, and can use several machines (--shard, --ray). --status and --merge need no PIPELINE.
    """
    if status is not None and merge is not None:
        raise ConfigError("--status and --merge: use one of them, not both")
    if status is not None:
        _print_status(status, as_json)
        return
    if merge is not None:
        _merge(merge, _require(output, "--output"), overwrite, as_json)
        return
    from rich.console import Console

    from avfer.executors.pool import Limits
    from avfer.labelling.entry import Shard
    from avfer.labelling.label_corpus import LabelReport, label_corpus
    from avfer.labelling.label_options import LabelOptions
    from avfer.labelling.store import Store
    from avfer.pipeline_config import read_pipeline
    from avfer.progress import CorpusProgress, open_display
    from avfer.yaml_reader import parse_overrides

    options = LabelOptions(
        device=device,
        workers=workers,
        ray=ray,
        gpus_per_worker=gpus_per_worker,
        shard=Shard.parse(shard),
        limits=Limits(max_seconds, None if max_memory is None else max_memory * 1e9),
        sound=sound,
        retry_failed=retry_failed,
        overwrite=overwrite,
        stills=stills,
        blur=blur,
        threads=threads,
    )
    changes = clip_settings(start, stop, fps, region, person, baseline, numbers_only) | parse_overrides(settings)
    spec = read_pipeline(_require(pipeline, "PIPELINE"), changes)
    corpus = _require(inputs, "--input")
    if json_log:
        _log_warnings()
    report = LabelReport(Store(_require(output, "--output"), options.shard))
    try:
        with open_display(Console(stderr=True), quiet, json_log, keep_bars=True) as display:
            label_corpus(spec, corpus, options, report, CorpusProgress(display))
    except Stopped:
        again = "the same command without --overwrite" if overwrite else "the same command"
        raise Stopped(f"finished clips are kept: {again} labels the others") from None
    finally:  # an interrupted run still prints what it has finished
        _print_report(report, as_json, json_log)
    if report.failed:
        raise typer.Exit(FAILED)


def _require(value: T | None, name: str) -> T:
    """Return an option. Raises ConfigError if it is missing."""
    if not value:
        raise ConfigError(f"missing {name}; see avfer label --help")
    return value


def _log_warnings() -> None:
    """Log the warnings of avfer as events from now on, because every line of a JSON log is an object."""
    from avfer.errors import AvferWarning
    from avfer.progress import JsonLines

    show = warnings.showwarning

    def log(message: Warning | str, category: type[Warning], filename: str, line: int, *rest: Any) -> None:
        if issubclass(category, AvferWarning):
            JsonLines().log_event("warning", text=str(message))
        else:
            show(message, category, filename, line, *rest)

    warnings.showwarning = log


def _print_report(report: "LabelReport", as_json: bool, json_log: bool) -> None:
    """Print warnings and totals on standard error, and the files (or one JSON object) on standard output.

    json_log: print warnings and totals as events. Keys of the object on standard output: outputs, the files that this
    run wrote; corpus, the content of corpus.json.
    """
    from avfer.progress import JsonLines

    for line in report.warnings.lines():
        if json_log:
            JsonLines().log_event("warning", text=line)
        else:
            print(f"avfer: warning: {line}", file=sys.stderr)
    written = list(map(str, report.files))
    corpus = report.corpus
    if corpus and json_log:
        JsonLines().log_event("end", done=corpus.done, failed=corpus.failed, left=corpus.left)
    elif corpus and not as_json:
        reasons = f"the reasons are in {report.store.folder / 'failures.jsonl'}"
        advice = f"; {reasons}; --retry-failed tries these clips again" if corpus.failed else ""
        print(f"avfer: {corpus.done} done, {corpus.failed} failed, {corpus.left} left{advice}", file=sys.stderr)
    if not as_json:
        print(*written, sep="\n", end="\n" if written else "", flush=True)
    elif corpus:
        print(json.dumps({"outputs": written, "corpus": corpus.as_json()}, ensure_ascii=False), flush=True)


def _print_status(folder: Path, as_json: bool) -> None:
    """Print how far the labelling into a folder is."""
    from avfer.labelling.status import status
    from avfer.progress import hours_minutes_seconds

    current = status(folder)
    if as_json:
        print(json.dumps(current.as_json(), ensure_ascii=False))
        return
    corpus, left = current.corpus, current.seconds_left
    print(f"clips    {corpus.clips}: {corpus.done} done, {corpus.failed} failed, {corpus.left} left")
    duration = hours_minutes_seconds(corpus.media_seconds)
    print(f"rows     {corpus.rows} in {corpus.bytes / 1e6:.1f} MB, from {duration} of media")
    runs = f"{current.running or 'no'} active run{'s' * (current.running > 1)}"
    pace = f"{current.pace.clips * 60:.1f} clips/min recently" if current.pace.clips else "unknown"
    print(f"rate     {pace}; {runs}")
    print(f"left     {hours_minutes_seconds(left) if left is not None else 'unknown'}")


def _merge(folder: Path, dataset: Path, overwrite: bool, as_json: bool) -> None:
    """Write the dataset, over an earlier one if `overwrite`, and print its path."""
    from avfer.labelling.merge import merge

    corpus = merge(folder, dataset, overwrite)
    if corpus.done < corpus.clips:
        print(f"avfer: warning: not in the dataset: {corpus.failed} failed, {corpus.left} left", file=sys.stderr)
    print(json.dumps({"outputs": [str(dataset)], "corpus": corpus.as_json()}) if as_json else dataset)
