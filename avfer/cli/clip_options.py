"""Options of `avfer run` and `avfer label` that choose parts of a clip."""

from typing import Annotated, Any

import typer

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
        "--person", metavar="all|largest|leftmost|N", help="Predict these faces only; N is a person's number."
    ),
]


def clip_settings(
    start: str | None, stop: str | None, fps: float | None, region: str | None, person: str | None
) -> dict[str, Any]:
    """Return the overrides of a pipeline for these options, without those that are not given."""
    given: dict[str, Any] = {
        "start": start,
        "stop": stop,
        "sequence_fps": fps,
        "region": [_number(part) for part in region.split(",")] if region is not None else None,
        "person": int(person) if person is not None and person.isdecimal() else person,
    }
    return {name: value for name, value in given.items() if value is not None}


def _number(text: str) -> float | str:
    """Return a text as a number; as it is if it is none, so that the check of the option reports it."""
    try:
        return float(text)
    except ValueError:
        return text
