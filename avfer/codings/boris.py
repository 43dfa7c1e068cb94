"""BORIS: projects (.boris, .boris_gz), and its exports of tabular and of aggregated events (TSV, CSV).

A behaviour is a tier, its modifiers are the value of a mark; a state is an interval, a point event a point. The time
offset of an observation is subtracted, so that times are those of the media file.
https://www.boris.unito.it/user_guide/export_events/
"""

import gzip
import json
import warnings
import zlib
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from avfer.codings.boris_tables import Event, is_export, read_events
from avfer.codings.coding import Coding, Mark, Tier, base_name
from avfer.errors import AvferWarning, DatasetError

MAX_JSON = 2**28  # bytes of a project after decompression
NO_VALUES = frozenset({"", "none"})  # of a modifier that was not chosen
PROJECTS = (".boris", ".boris_gz")


class _Behaviour(BaseModel):
    code: str
    type: str = ""  # "State event", "Point event with coding map", ...


class _Observation(BaseModel):
    type: str = "MEDIA"
    file: dict[str, list[str]] | list[str] = Field(default_factory=dict)  # player -> media files
    offset: float = Field(0.0, alias="time offset")  # s, added to the times of all events
    events: list[list[Any]] = Field(default_factory=list)  # time, subject, behaviour, modifiers, comment, ...


class _Project(BaseModel):
    observations: dict[str, _Observation]
    behaviors_conf: dict[str, _Behaviour] = Field(default_factory=dict)


class BorisFormat:
    """Reads projects and exports of BORIS, which have a coding for each observation."""

    suffixes = (*PROJECTS, ".tsv", ".csv")

    @staticmethod
    def fits(path: Path) -> bool:
        """Return whether a file is a project by its ending, or an export of events by its header."""
        return path.suffix.lower() in PROJECTS or is_export(path)

    @staticmethod
    def read(path: Path) -> list[Coding]:
        """Return the coding of each observation; one with several media files one after the other is left out.

        Raises DatasetError for a damaged file, and for a state that does not stop.
        """
        events = _project_events(path) if path.suffix.lower() in PROJECTS else read_events(path)
        by_observation: dict[str, list[Event]] = {}
        for event in events:
            by_observation.setdefault(event.observation, []).append(event)
        codings: list[Coding] = []
        for observation, found in by_observation.items():
            media = {event.media for event in found if event.media}
            if len(media) > 1:
                _warn_of_several_files(path, observation, len(media))
                continue
            codings.append(Coding(path, next(iter(media), "") or observation, _tiers(path, observation, found)))
        return codings


class _State(NamedTuple):
    """What two events that start and stop one state have in common."""

    subject: str
    behaviour: str
    modifiers: str


def _tiers(path: Path, observation: str, events: list[Event]) -> tuple[Tier, ...]:
    """Return the tiers of an observation. Raises DatasetError for a state that does not start or stop."""
    where = f"{path}, observation '{observation}'"
    states: dict[_State, list[Event]] = {}
    for event in sorted(events, key=lambda event: event.time):
        states.setdefault(_State(event.subject, event.behaviour, event.modifiers), []).append(event)
    marks: dict[tuple[str, str], list[Mark]] = {}  # behaviour and subject -> marks
    for state, found in states.items():
        marks.setdefault((state.behaviour, state.subject), []).extend(_marks(state, found, where))
    return tuple(
        Tier.from_marks(name, found, f"{where}, behaviour '{name}'", subject)
        for (name, subject), found in marks.items()
    )


def _marks(state: _State, events: list[Event], where: str) -> Iterator[Mark]:
    """Yield the marks of the events of one state, sorted by time. Raises DatasetError if it does not start or stop.

    An interval that stops when it starts, as after a key pressed by mistake, applies at no moment: it is left out.
    """
    value = _value(state.modifiers)
    yield from (Mark(event.time, event.time, value) for event in events if event.kind == "POINT")
    intervals = [(event.time, event.stop) for event in events if event.kind == "STATE"]
    times = {kind: [event.time for event in events if event.kind == kind] for kind in ("START", "STOP", "TOGGLE")}
    starts, stops = times["START"] + times["TOGGLE"][::2], times["STOP"] + times["TOGGLE"][1::2]
    for start, stop, after in zip_longest(starts, stops, starts[1:]):
        if stop is not None and (start is None or stop < start):
            raise DatasetError(f"{where}: '{state.behaviour}' stops at {stop:g} s without a start; repair it")
        if stop is not None and after is not None and after < stop:
            raise DatasetError(f"{where}: '{state.behaviour}' starts twice, again at {after:g} s; repair it")
        if stop is None:
            raise DatasetError(f"{where}: '{state.behaviour}' starts at {start:g} s and never stops; stop it in BORIS")
        intervals.append((start, stop))
    yield from (Mark(start, stop, value) for start, stop in intervals if start != stop)


def _warn_of_several_files(path: Path, observation: str, count: int) -> None:
    problem = f"runs over {count} media files, so that its times are not those of one file: left out"
    warnings.warn(f"{path}: observation '{observation}' {problem}", AvferWarning, stacklevel=3)


def _value(modifiers: str) -> str:
    """Return the modifiers that were chosen, joined with `|`."""
    return "|".join(part.strip() for part in modifiers.split("|") if part.strip().lower() not in NO_VALUES)


def _project_events(path: Path) -> Iterable[Event]:
    """Return the events of all observations of a project. Raises DatasetError if it is not one."""
    try:
        content = json.loads(_read(path))
        project = _Project.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DatasetError(f"{path} is not a project of BORIS: {problem}; save it again with BORIS") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not a project of BORIS: {error}; save it again with BORIS") from error
    states = {one.code for one in project.behaviors_conf.values() if one.type.lower().startswith("state")}
    known = {one.code for one in project.behaviors_conf.values()}
    for name, observation in project.observations.items():
        if observation.type.upper() == "IMAGES":
            warnings.warn(f"{path}: observation '{name}' is of pictures: left out", AvferWarning, stacklevel=2)
            continue
        files = observation.file.get("1", []) if isinstance(observation.file, dict) else observation.file
        if len(files) > 1:
            _warn_of_several_files(path, name, len(files))
            continue
        media = base_name(files[0]) if files else ""
        for event in observation.events:
            yield _event(event, name, media, observation.offset, states, known, path)


def _event(
    event: list[Any], name: str, media: str, offset: float, states: set[str], known: set[str], path: Path
) -> Event:
    """Return one event of a project. Raises DatasetError if it has no time, or an unknown behaviour."""
    where = f"{path}, observation '{name}'"
    try:
        time, subject, behaviour, modifiers = float(event[0]), *(str(part) for part in event[1:4])
    except (IndexError, TypeError, ValueError):
        raise DatasetError(f"{where}: an event must have a time, a subject, a behaviour and modifiers") from None
    if behaviour not in known:
        raise DatasetError(f"{where}: the behaviour '{behaviour}' is not in the ethogram; repair the project in BORIS")
    kind = "TOGGLE" if behaviour in states else "POINT"
    return Event(name, media, subject, behaviour, modifiers, kind, time - offset)


def _read(path: Path) -> bytes:
    """Return the JSON of a project. Raises DatasetError if it is too large or damaged."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".boris_gz" else path.open("rb") as file:
            content = file.read(MAX_JSON + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}; save it again with BORIS") from error
    if len(content) > MAX_JSON:
        raise DatasetError(f"{path}: a project must have at most {MAX_JSON} bytes; is it one?")
    return content
