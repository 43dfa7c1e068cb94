"""Options that several commands take, each defined once, and what the options of a clip set in its pipeline."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from avfer.catalog import NAMES
from avfer.errors import ConfigError

MAX_DIGITS = 20  # of a person's number; Python converts no more than a few thousand
MAX_FPS = 1000  # Hz, as `sequence_fps` of decode_video
PIPELINE = typer.Argument(metavar="PIPELINE", help="A YAML file, or the name of a bundled one: aver, vision, voice.")
INPUT = typer.Option(
    "--input",
    metavar="PATH...",
    help="Files, folders (all media files below them), globs, URLs, a .txt list of these, or a table (.csv, .tsv,"
    " .parquet) with a column 'path', whose other columns are copied into the results.",
)
DEVICE = typer.Option(
    "--device",
    metavar="DEVICE",
    help="Where the networks run: cpu, cuda (an NVIDIA GPU) or mps (an Apple GPU); auto takes a GPU if there is one.",
)

Formats = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="LIST",
        help=f"Formats of the table, with commas: {', '.join(NAMES['format'])} or package.module:Name.",
    ),
]
Exports = Annotated[
    list[str] | None,
    typer.Option(
        "--export",
        metavar="NAME",
        help=f"Also write this for each clip: {', '.join(NAMES['exporter'])} or package.module:Name; can be given"
        " several times.",
    ),
]
Sound = Annotated[
    str | None,
    typer.Option(
        "--sound",
        metavar="auto|PATTERN",
        help="Read the sound from another file: 'auto' for CLIP.wav beside CLIP.mp4, or a pattern such as"
        " '../audio/{stem}.wav'.",
    ),
]
Start = Annotated[str | None, typer.Option("--start", metavar="TIME", help="Start at this time: seconds or hh:mm:ss.")]
Stop = Annotated[str | None, typer.Option("--stop", metavar="TIME", help="Stop before this time.")]
Fps = Annotated[
    float | None, typer.Option("--fps", metavar="HZ", help="Pictures per second of a picture sequence; default 25.")
]
Stills = Annotated[bool, typer.Option("--stills", help="Treat each picture in a folder as a clip of its own.")]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="X,Y,W,H",
        help="Search faces in this part of the picture only: pixels, or shares such as 0,0,0.5,1.",
    ),
]
Person = Annotated[
    str | None,
    typer.Option(
        "--person",
        metavar="all|largest|leftmost|N",
        help="Predict these faces only: the largest or leftmost of each frame, or the person with the number N.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="low|START,STOP",
        help="Add action units minus each person's resting value: with low, the 0.1 quantile of the clip; with"
        " START,STOP, the median of these seconds.",
    ),
]
NumbersOnly = Annotated[
    bool,
    typer.Option(
        "--numbers-only",
        help="Write no picture of a clip, now or later from its table: options that would need one are refused.",
    ),
]
StageSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.OPTION=VALUE",
        help="Change an option of the pipeline (avfer pipelines show PIPELINE lists them); can be given several times.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="CPU threads that compute at the same time (avfer label: in each worker). Default: all cores of this"
        " machine or container, shared among the workers. The results do not depend on it.",
    ),
]
Blur = Annotated[
    str | None,
    typer.Option(
        "--blur",
        metavar="others|all",
        help="Write the annotated video of each clip (the overlay) with faces made unrecognisable: all, or all but"
        " those of the main person (--person N chooses one). Faces that are not detected stay visible, and the sound"
        " stays as it is. A report of the same run has no pictures.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of paths.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


def check_replaceable(output: Path, overwrite: bool) -> None:
    """Raise ConfigError if the file to write exists and `overwrite` is False, or if its folder takes no file."""
    if output.exists() and not overwrite:
        raise ConfigError(f"{output} exists; give another name with --output, or --overwrite")
    check_folder(output.parent)


def check_folder(folder: Path) -> None:
    """Raise ConfigError unless files can be written into a folder, which need not exist yet.

    It is checked before any work, so that no result is computed and then lost.
    """
    from avfer.local_paths import is_folder, nearest_existing

    existing = nearest_existing(folder)
    if not is_folder(existing):
        raise ConfigError(f"--output: {existing} is a file; results need a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(
            f"--output: the folder {existing} cannot be written; change its permissions or choose another"
        )


def clip_settings(
    start: str | None,
    stop: str | None,
    fps: float | None,
    region: str | None,
    person: str | None,
    baseline: str | None = None,
    numbers_only: bool = False,
) -> dict[str, Any]:
    """Return the overrides of a pipeline for these options, without those that are not given.

    Raises ConfigError if a time of `start`, `stop` or `baseline` is not a time, if `stop` is not later than `start`, if
    `fps` is out of range, or if `region` is not four numbers.
    """
    from avfer.option_types import parse_seconds

    first = None if start is None else parse_seconds(start, "--start")
    last = None if stop is None else parse_seconds(stop, "--stop")
    if last is not None and last <= (first or 0.0):
        raise ConfigError(f"--stop: must be later than the start ({first or 0.0:g} s), got {last:g} s")
    if fps is not None and not 0 < fps <= MAX_FPS:
        raise ConfigError(f"--fps: must be in (0, {MAX_FPS}] Hz, got {fps:g}")
    given: dict[str, Any] = {
        "start": first,
        "stop": last,
        "sequence_fps": fps,
        "region": None if region is None else _parse_region(region),
        "person": int(person) if person is not None and person.isdecimal() and len(person) < MAX_DIGITS else person,
        "baseline": None if baseline is None else _parse_baseline(baseline),
        "numbers_only": numbers_only or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _parse_baseline(text: str) -> str | list[float]:
    """Return "low", or start and stop of a baseline in seconds. Raises ConfigError for any other text."""
    from avfer.option_types import parse_seconds

    if text == "low":
        return text
    if text.count(",") != 1:
        raise ConfigError(f"--baseline: must be low, or start and stop in seconds such as 0,2, got '{text}'")
    return [parse_seconds(part, "--baseline") for part in text.split(",")]


def _parse_region(text: str) -> list[float]:
    """Return x, y, width and height of a region. Raises ConfigError if the text is not four numbers."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise ConfigError(f"--region: must be four numbers X,Y,W,H, got '{text}'")
    return numbers
