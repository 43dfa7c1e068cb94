"""The command line: one short function per verb that parses, calls the library and prints.

Standard output carries results (paths, or one JSON object), standard error everything else. What is heavy is
imported inside the commands, so that help comes at once.
"""

import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from avfer import __version__
from avfer.errors import AvferError, AvferWarning, ConfigError, DatasetError, MissingExtra, WeightsError

if TYPE_CHECKING:
    from avfer.work import Job, Outcome

DONE, USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130

app = typer.Typer(
    help="Continuous affect from video with sound: valence, arousal, expressions and action units.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models = typer.Typer(help="The models that pipelines may name.", no_args_is_help=True)
app.add_typer(models, name="models")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"avfer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
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
    from avfer.work import Outcome, plan

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


@models.command("list")
def list_models() -> None:
    """List all models with their cost and licence."""
    from avfer.show import print_models

    print_models()


@models.command("show")
def show_model(name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer models list`.")]) -> None:
    """Show the card of a model: inputs, classes, data, licences, measured quality."""
    from avfer.show import print_card

    print_card(name)


@models.command("import")
def import_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer models list`.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The authors' checkpoint: .pth, .tar, .npz, ...")],
    output: Annotated[Path, typer.Option("--output", metavar="F", help="The .safetensors to write.")],
    num_classes: Annotated[int | None, typer.Option(metavar="K", help="Classes that the file must have.")] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Classes in the order of the logits, or a corpus' name.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Turn a checkpoint of a model's authors into a weight file with a card; nothing in it is run."""
    from avfer.imports import import_weights

    if output.exists() and not overwrite:
        raise ConfigError(f"{output} exists; give another name, or --overwrite")
    imported = import_weights(name, file, output, num_classes, classes)
    for note in imported.notes:
        print(f"avfer: warning: {note}", file=sys.stderr)
    if imported.card.classes:
        print(f"classes: {', '.join(imported.card.classes)}", file=sys.stderr)
    print(imported.path)


@models.command("verify")
def verify_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer models list`.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A golden: manifest.json and golden.npz.")],
) -> None:
    """Compare a model with stored outputs of its published implementation."""
    from avfer.show import print_deviations

    if not print_deviations(name, folder):
        raise typer.Exit(FAILED)


@app.command()
def doctor() -> None:
    """Tell what is here: versions, devices, codecs, weights; and what is missing and how to get it."""
    from avfer.doctor import examine

    if not examine():
        raise typer.Exit(FAILED)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code; no traceback unless AVFER_DEBUG=1."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    warnings.showwarning = _warn
    try:
        app(args=spread(sys.argv[1:] if arguments is None else list(arguments)), prog_name="avfer")
    except _Stopped:
        _leave("interrupted; finished clips are kept", INTERRUPTED)
    except (ConfigError, DatasetError, MissingExtra, WeightsError) as error:
        _leave(str(error), USAGE)
    except AvferError as error:
        _leave(str(error), FAILED)
    except BrokenPipeError:  # the reader of our output has left, `head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        hint = "" if _debugging() else " (AVFER_DEBUG=1 shows where)"
        _leave(f"unexpected {type(error).__name__}: {error}{hint}", FAILED)
    sys.exit(DONE)


def spread(arguments: list[str]) -> list[str]:
    """`--input a b c` as `--input a --input b --input c`.

    The pipeline stands before `--input` or, with a single path, after it.
    """
    out: list[str] = []
    inside, before = False, 0
    for index, argument in enumerate(arguments):
        if argument.startswith("-"):
            inside = argument == "--input" and before > 1  # run and the pipeline are behind us
            out.append(argument)
            continue
        if inside and arguments[index - 1] != "--input":
            out.append("--input")
        out.append(argument)
        before += not inside
    return out


class _Stopped(BaseException):
    """Ctrl-C, or a request to end."""


def _stop(number: int, frame: object) -> NoReturn:
    raise _Stopped


def _warn(message: Warning | str, category: type[Warning], *_: object) -> None:
    """One plain line for what avfer warns of; others' warnings are for developers."""
    if issubclass(category, AvferWarning) or _debugging():
        print(f"avfer: warning: {message}", file=sys.stderr)


def _leave(message: str, code: int) -> NoReturn:
    if _debugging():
        traceback.print_exc()
    print(f"avfer: {message}", file=sys.stderr)
    sys.exit(code)


def _debugging() -> bool:
    return os.environ.get("AVFER_DEBUG", "") not in {"", "0"}


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

    from avfer.config import parse_override
    from avfer.export.terminal import summary_table
    from avfer.pipeline import load
    from avfer.progress import told, watch
    from avfer.work import do

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
