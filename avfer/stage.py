"""The two kinds of stage, and how their annotations are read.

A stage is a dataclass whose fields are its options. The annotations of its work are its declaration: the
checker of the code and the checker of the YAML read the same lines.

- A stateless stage has `__call__(self, *inputs) -> output`.
- A stateful stage has `start(self) -> state` and `step(self, state, *inputs) -> (state, output)`.
  Nothing about a clip is kept in `self`, so one stage can work on many clips.

A stage that owns a network has `load(self, device)`, called once, after the whole pipeline has proved sound.
More is optional: `adapt(self, readers)` returns the stage fitted to those that read it; `makes` tells the cards of
the networks whose features a stage gives (`{"face": card}`), and `fit(self, cards)` returns the stage that reads
features of such networks, or raises ConfigError; `files(self)` names the weight files with their sha256.
"""

import types
import typing
from dataclasses import is_dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from avfer.models.card import Card

Cards = dict[str, Card]  # of the networks that features come from, by "face" and "voice"


@runtime_checkable
class StatefulStage(Protocol):
    """A stage that remembers: the state goes in and comes out of every step."""

    def start(self) -> Any: ...
    def step(self, state: Any, *inputs: Any) -> tuple[Any, Any]: ...


@runtime_checkable
class OwnsNetwork(Protocol):
    """A stage that loads weights."""

    def load(self, device: torch.device) -> None: ...


def is_stage(kind: type) -> bool:
    """Whether a class keeps one of the two protocols."""
    return is_dataclass(kind) and (hasattr(kind, "step") or "__call__" in vars(kind))


def signature(kind: type) -> tuple[list[tuple[str, tuple[type, ...]]], type]:
    """Inputs as (name, accepted types) in order, and the output type, from the annotations of the work."""
    stateful = hasattr(kind, "step")
    work = kind.step if stateful else kind.__call__
    hints = typing.get_type_hints(work)
    output = hints.pop("return")
    if stateful:
        hints.pop("state")
        output = typing.get_args(output)[1]
    return [(name, _alternatives(hint)) for name, hint in hints.items()], output


def _alternatives(hint: Any) -> tuple[type, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def run(stage: Any, state: Any, inputs: list[Any]) -> tuple[Any, Any]:
    """One step of either kind of stage: (state, output)."""
    if isinstance(stage, StatefulStage):
        return stage.step(state, *inputs)
    return state, stage(*inputs)


def start(stage: Any) -> Any:
    """The first state of a stage; None for a stateless one."""
    return stage.start() if isinstance(stage, StatefulStage) else None


BLAME = "in stage "


def blame(error: Exception, name: str) -> None:
    """Note on an error which stage of a pipeline has raised it."""
    error.add_note(BLAME + name)


def blamed(error: Exception) -> str | None:
    """The stage that has raised an error, if one has."""
    notes: list[str] = getattr(error, "__notes__", [])
    return next((note.removeprefix(BLAME) for note in notes if note.startswith(BLAME)), None)
