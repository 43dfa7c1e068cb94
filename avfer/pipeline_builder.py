"""From the lines of a pipeline to its stages: made, wired and checked before any weight is loaded."""

from dataclasses import MISSING, dataclass, fields
from enum import Enum, auto
from typing import Any

from pydantic import TypeAdapter, ValidationError

from avfer import stage as stages
from avfer.affect_track import AffectTrack
from avfer.catalog import find
from avfer.errors import ConfigError, unknown
from avfer.pipeline_config import PipelineSpec, StageSpec
from avfer.types import FrameBatch, Span


class Phase(Enum):
    """Where a step runs: each phase has a thread of its own."""

    DECODING = auto()  # reads the span alone
    PICTURES = auto()  # up to the last step that reads frames
    ROWS = auto()  # all others


@dataclass(frozen=True)
class Step:
    """A stage in its place."""

    name: str
    stage: Any
    inputs: tuple[str, ...]
    frees: tuple[str, ...]  # values that no later step reads
    phase: Phase


def build(spec: PipelineSpec, output: type = AffectTrack) -> tuple[Step, ...]:
    """Make the stages of a pipeline and check how they are wired up to the type of its output; no weight is loaded."""
    made = {line.name: _made(line) for line in spec.stages}
    _check_wiring(spec, made, output)
    for line in spec.stages:
        readers = [made[other.name] for other in spec.stages if line.name in other.inputs]
        if hasattr(made[line.name], "adapt"):
            made[line.name] = made[line.name].adapt(readers)
    _fit(spec, made)
    phases = _phases(spec, made)
    lines = sorted(spec.stages, key=lambda line: phases[line.name].value)
    last_reader = {name: line.name for line in lines for name in line.inputs}
    unread = {line.name: (line.name,) for line in lines if line.name not in {*last_reader, spec.output}}
    return tuple(
        Step(
            line.name,
            made[line.name],
            line.inputs,
            (*(n for n in dict.fromkeys(line.inputs) if last_reader[n] == line.name), *unread.get(line.name, ())),
            phases[line.name],
        )
        for line in lines
    )


def _phases(spec: PipelineSpec, made: dict[str, Any]) -> dict[str, Phase]:
    """The phase of every stage."""
    pictures = {line.name for line in spec.stages if stages.signature(type(made[line.name]))[1] is FrameBatch}
    readers = [i for i, line in enumerate(spec.stages) if pictures.intersection(line.inputs)]
    last = max(readers, default=-1)
    return {
        line.name: Phase.DECODING if line.inputs == ("span",) else Phase.PICTURES if i <= last else Phase.ROWS
        for i, line in enumerate(spec.stages)
    }


def _made(line: StageSpec) -> Any:
    """The stage of one line, its options checked against the fields of its dataclass."""
    try:
        kind = find("stage", line.use)
    except ConfigError as error:
        raise ConfigError(f"{error} ({line.where})") from None
    if not stages.is_stage(kind):
        raise ConfigError(f"'{line.use}' is no stage: it needs __call__, or start and step ({line.where})")
    known = {f.name: f for f in fields(kind) if f.init}
    for option in line.options:
        if option not in known:
            raise ConfigError(f"stage '{line.name}': {unknown('option', option, known)} ({line.where})")
    options = {name: _checked(line, name, known[name].type, value) for name, value in line.options.items()}
    for name, f in known.items():
        if name not in options and f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(f"stage '{line.name}' needs the option '{name}' ({line.where})")
    try:
        return kind(**options)
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"stage '{line.name}': {error} ({line.where})") from error


def _checked(line: StageSpec, name: str, kind: Any, value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        told = error.errors()[0]["msg"]
        raise ConfigError(f"stage '{line.name}': option {name}: {told}, not {value!r} ({line.where})") from None


def _check_wiring(spec: PipelineSpec, made: dict[str, Any], output: type) -> None:
    """Every input is there, and of a type that its stage takes."""
    outputs: dict[str, type] = {"span": Span}
    for line in spec.stages:
        wanted, gives = stages.signature(type(made[line.name]))
        if len(wanted) != len(line.inputs):
            told = ", ".join(f"{name}: {_names(kinds)}" for name, kinds in wanted)
            count = f"takes {len(wanted)} input(s) ({told}), but from: names {len(line.inputs)}"
            raise ConfigError(f"stage '{line.name}' {count} ({line.where})")
        for name, (_, kinds) in zip(line.inputs, wanted, strict=True):
            if name not in outputs:
                hint = "it comes later; move it up" if name in made else unknown("value", name, outputs)
                raise ConfigError(f"stage '{line.name}' reads '{name}': {hint} ({line.where})")
            if not issubclass(outputs[name], kinds):
                given = f"'{name}' is {_article(outputs[name])} {outputs[name].__name__}"
                raise ConfigError(f"stage '{line.name}' takes {_names(kinds)}, but {given} ({line.where})")
        outputs[line.name] = gives
    if not issubclass(outputs[spec.output], output):
        told = f"output: '{spec.output}' is {outputs[spec.output].__name__}, not {output.__name__}"
        raise ConfigError(f"{told} ({spec.where})")


def _article(kind: type) -> str:
    return "an" if kind.__name__[0] in "AEIOU" else "a"


def _fit(spec: PipelineSpec, made: dict[str, Any]) -> None:
    """Fit each stage to the networks whose features reach it."""
    cards: dict[str, stages.Cards] = {"span": {}}
    for line in spec.stages:
        given = {key: card for name in line.inputs for key, card in cards[name].items()}
        try:
            if hasattr(made[line.name], "fit"):
                made[line.name] = made[line.name].fit(given)
        except ConfigError as error:
            raise ConfigError(f"stage '{line.name}': {error} ({line.where})") from None
        cards[line.name] = given | getattr(made[line.name], "makes", {})


def _names(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
