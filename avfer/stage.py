"""What a stage of a pipeline is, and what it may declare.

A stage is a dataclass whose fields are its options. The type annotations of its work declare its inputs and its
output; type checker and pipeline builder read the same annotations. There are two kinds:

- A stateless stage has `__call__(self, *inputs) -> output`.
- A stateful stage has `start(self) -> state` and `step(self, state, *inputs) -> (state, output)`. State goes in and
  comes out of every step and nothing about a clip is stored in `self`, so one stage can process many clips.

Everything else is optional. A stage declares it by implementing one of the protocols below; the builder and the
pipeline test for the protocol and for nothing else. A whole stage, which a YAML names as `my_package.stages:DropSmall`:

    from dataclasses import dataclass

    from avfer.rows import select
    from avfer.types import FaceTracks

    @dataclass
    class DropSmall:
        min_side: float = 60.0  # px

        def __call__(self, tracks: FaceTracks) -> FaceTracks:
            width = tracks.boxes[:, 2] - tracks.boxes[:, 0]
            return select(tracks, width >= self.min_side, tracks.clock)
"""

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch

from avfer.models.card import Card
from avfer.models.engine import Engine

Cards = dict[str, Card]  # cards of the networks that made the features, by modality: "face", "voice"


@runtime_checkable
class StatefulStage(Protocol):
    """A stage with memory."""

    def start(self) -> Any:
        """Return the state before the first step of a clip."""
        ...

    def step(self, state: Any, *inputs: Any) -> tuple[Any, Any]:
        """Return the next state and the output for these inputs."""
        ...


@runtime_checkable
class OwnsNetwork(Protocol):
    """A stage that runs a network."""

    def load(self, device: torch.device) -> None:
        """Build the network and load its weights; called once, after the whole pipeline was checked."""
        ...


@runtime_checkable
class HasWeightFiles(Protocol):
    """A stage whose weights come from files that the provenance of a table names."""

    def files(self) -> dict[str, str]:
        """Return the sha256 of every weight file by its file name."""
        ...


@runtime_checkable
class ChoosesEngine(Protocol):
    """A stage whose network runs by torch or by ONNX Runtime; the provenance of a table names which."""

    engine_used: Engine  # set by load()


@runtime_checkable
class HasCard(Protocol):
    """A stage with the card of its network; the stage that cuts out its crops reads their size from it."""

    card: Card


@runtime_checkable
class OutputsFeatures(Protocol):
    """A stage whose output holds features of networks."""

    @property
    def feature_cards(self) -> Cards:
        """The cards of these networks: `{"face": card}`."""
        ...


@runtime_checkable
class DependsOnFeatures(Protocol):
    """A stage that depends on the networks whose features it reads, as `predict_affect` does."""

    def for_features(self, cards: Cards) -> Any:
        """Return the stage to use for features of these networks: itself, or another one.

        Raises ConfigError if there is none for them. cards: of the networks, by modality.
        """
        ...


@runtime_checkable
class DependsOnReaders(Protocol):
    """A stage that depends on the stages that read its output, as `align_faces` on the size that backbones need."""

    def for_readers(self, readers: Sequence[Any]) -> Any:
        """Return the stage to use when these stages read its output: itself, or another one with other options.

        Raises ConfigError if no stage suits them all.
        """
        ...


@runtime_checkable
class AddsColumns(Protocol):
    """A stage that adds columns to the rows that it passes on, as `mask_voice` adds `speech`."""

    added_columns: ClassVar[tuple[str, ...]]


@runtime_checkable
class NeedsColumns(Protocol):
    """A stage that reads columns which stages before it add, as `find_speakers` reads `speech`."""

    needed_columns: ClassVar[dict[str, str]]  # column -> the bundled stage that adds it


@runtime_checkable
class ReadsSound(Protocol):
    """A stage that reads mono sound of one sample rate; the stage that decodes the sound checks its own."""

    sound_rate: ClassVar[int]  # Hz


@runtime_checkable
class SkipsGaps(Protocol):
    """A stateful decoding stage that states when its next output begins, so that the pipeline skips gaps."""

    def next_time(self, state: Any) -> float:
        """Return the time in seconds of the next frame or sample to output, infinity if none is left."""
        ...


def is_stage(kind: type) -> bool:
    """Return whether a class is a dataclass of one of the two kinds of stage, with inputs and output annotated."""
    if not is_dataclass(kind) or not issubclass(kind, (StatefulStage, Callable)):
        return False
    try:
        typing.get_type_hints(kind)  # of the options
        inputs, output = signature(kind)
    except (AttributeError, IndexError, KeyError, NameError, TypeError):  # annotations are absent or cannot be resolved
        return False
    hints: list[Any] = [output, *(hint for _, alternatives in inputs for hint in alternatives)]
    return all(isinstance(hint, type) for hint in hints)


def signature(kind: type) -> tuple[list[tuple[str, tuple[type, ...]]], type]:
    """Return the inputs of a stage class as (name, accepted types) in order, and its output type.

    `TrackFaces` gives `([("frames", (FrameBatch,)), ("boxes", (FaceDetections,))], FaceTracks)`. Raises KeyError for an
    annotation that is missing, and other errors for one that cannot be resolved.
    """
    stateful = issubclass(kind, StatefulStage)
    work = kind.step if stateful else kind.__call__
    hints = typing.get_type_hints(work)
    names = list(inspect.signature(work).parameters)[2 if stateful else 1 :]  # without self and the state
    output = typing.get_args(hints["return"])[1] if stateful else hints["return"]
    return [(name, _alternatives(hints[name])) for name in names], output


def _alternatives(hint: Any) -> tuple[type, ...]:
    """Return the types of a union, `A | B` as (A, B), and any other type as (A,)."""
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def start(stage: Any) -> Any:
    """Return the first state of a stage; None for a stateless one."""
    return stage.start() if isinstance(stage, StatefulStage) else None


def run(stage: Any, state: Any, inputs: list[Any]) -> tuple[Any, Any]:
    """Run one step of either kind of stage and return (state, output)."""
    if isinstance(stage, StatefulStage):
        return stage.step(state, *inputs)
    return state, stage(*inputs)


def check_output(stage: Any, output: Any, declared: type) -> None:
    """Raise TypeError if a stage, which may be the user's own, has returned something else than its annotation says."""
    if not isinstance(output, declared):
        name, found = type(stage).__name__, type(output).__name__
        raise TypeError(f"{name} returned {found}, but its annotation says {declared.__name__}")


def feature_cards(stage: Any) -> Cards:
    """Return the cards of the networks whose features a stage outputs; empty for any other stage."""
    return stage.feature_cards if isinstance(stage, OutputsFeatures) else {}


NOTE = "in stage "


def note_stage(error: Exception, name: str) -> None:
    """Add a note to an exception that names the stage of the pipeline that raised it."""
    error.add_note(NOTE + name)


def failing_stage(error: Exception) -> str | None:
    """Return the name of the stage that raised an exception, None if it was not raised by a stage."""
    notes: list[str] = getattr(error, "__notes__", [])  # absent until the first add_note (PEP 678)
    return next((note.removeprefix(NOTE) for note in notes if note.startswith(NOTE)), None)
