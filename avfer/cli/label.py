"""avfer label: a corpus to tables; how far it is; all tables as one dataset."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from avfer.cli.exits import FAILED
from avfer.errors import ConfigError

if TYPE_CHECKING:
    from avfer.labelling.run import Report

T = TypeVar("T")


def label(
    pipeline: Annotated[
        str | None, typer.Argument(metavar="PIPELINE", help="A YAML file, or aver, vision or voice.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="CORPUS",
            help="Folders, files, globs, a .txt list, or a manifest (.csv, .parquet) with a column 'path'; URLs too.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder for labels.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Workers at once; default: one a core.")] = None,
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster; 'local' starts one.")] = None,
    gpus_per_worker: Annotated[float, typer.Option(metavar="SHARE", help="Of a GPU, on Ray.")] = 1.0,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only this share of the clips, I from 1.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try clips again that failed before.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Label all clips anew.")] = False,
    max_seconds: Annotated[float | None, typer.Option(metavar="S", help="That one clip may take.")] = None,
    max_memory: Annotated[float | None, typer.Option(metavar="GB", help="That one worker may hold.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps; on Ray also 'cuda,cpu'.")] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STAGE.OPTION=VALUE", help="Change an option of the pipeline."),
    ] = None,
    json_log: Annotated[bool, typer.Option("--json-log", help="Tell every event as a line of JSON.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of paths.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    status: Annotated[Path | None, typer.Option("--status", metavar="DIR", help="Tell how far a corpus is.")] = None,
    merge: Annotated[Path | None, typer.Option("--merge", metavar="DIR", help="Write one dataset to --output.")] = None,
) -> None:
    """Label a corpus: one table a clip; what is done already is kept, whatever ended the run before."""
    if status is not None:
        _tell_status(status, as_json)
        return
    if merge is not None:
        _merge(merge, _given(output, "--output"), as_json)
        return
    from rich.console import Console

    from avfer.executors.protocol import Limits
    from avfer.labelling.places import Wishes
    from avfer.labelling.run import Report, label_corpus
    from avfer.labelling.screen import screen
    from avfer.labelling.shard import Shard
    from avfer.labelling.store import Store
    from avfer.pipeline_config import parse_override, read_pipeline

    limits = Limits(max_seconds, None if max_memory is None else max_memory * 1e9)
    wishes = Wishes(device, workers, ray, gpus_per_worker, Shard.read(shard), limits, retry_failed, overwrite)
    spec = read_pipeline(_given(pipeline, "PIPELINE"), dict(parse_override(text) for text in settings or []))
    corpus = _given(inputs, "--input")
    report = Report(Store(_given(output, "--output"), wishes.shard))
    try:
        with screen(Console(stderr=True), quiet, json_log) as shown:
            label_corpus(spec, corpus, wishes, report, shown)
    finally:  # an interrupted run tells what it has finished
        _tell(report, as_json)
    if report.failed:
        raise typer.Exit(FAILED)


def _given(value: T | None, name: str) -> T:
    if not value:
        raise ConfigError(f"missing {name}; see avfer label --help")
    return value


def _tell(report: "Report", as_json: bool) -> None:
    tables = list(map(str, report.tables))
    corpus = report.corpus
    if corpus and not as_json:
        listed = f"; why, stands in {report.store.folder / 'failures.jsonl'}" if corpus.failed else ""
        print(f"avfer: {corpus.done} done, {corpus.failed} failed, {corpus.left} left{listed}", file=sys.stderr)
    if not as_json:
        print(*tables, sep="\n", end="\n" if tables else "", flush=True)
    elif corpus:
        print(json.dumps({"outputs": tables, "corpus": corpus.as_json()}, ensure_ascii=False), flush=True)


def _tell_status(folder: Path, as_json: bool) -> None:
    from avfer.labelling.screen import clock
    from avfer.labelling.status import status

    told = status(folder)
    if as_json:
        print(json.dumps(told.as_json(), ensure_ascii=False))
        return
    corpus, left = told.corpus, told.seconds_left
    print(f"clips    {corpus.clips}: {corpus.done} done, {corpus.failed} failed, {corpus.left} left")
    print(f"rows     {corpus.rows} in {corpus.bytes / 1e6:.1f} MB, of {corpus.media_seconds / 3600:.2f} hours of media")
    runs = f"{told.running} run{'s' * (told.running > 1)} at work" if told.running else "no run at work"
    print(f"rate     {told.pace.clips * 60:.1f} clips/min of late; {runs}")
    print(f"left     {clock(left) if left is not None else 'unknown'}")


def _merge(folder: Path, dataset: Path, as_json: bool) -> None:
    from avfer.labelling.merge import merge

    corpus = merge(folder, dataset)
    if corpus.done < corpus.clips:
        print(f"avfer: warning: not in the dataset: {corpus.failed} failed, {corpus.left} left", file=sys.stderr)
    print(json.dumps({"outputs": [str(dataset)], "corpus": corpus.as_json()}) if as_json else dataset)
