"""Build the stages of a pipeline from its specification, and check how they are connected before weights are loaded."""

from dataclasses import MISSING, dataclass, fields
from enum import Enum, auto
from typing import Any, get_type_hints

from avfer import stage as stages
from avfer.affect_track import AffectTrack
from avfer.catalog import check_call, find
from avfer.errors import ConfigError, WeightsError, counted, unknown
from avfer.option_types import validate
from avfer.pipeline_config import PipelineSpec, StageSpec
from avfer.types import FaceCrops, FrameBatch, Span


class Phase(Enum):
    """When a step runs; each phase has a thread of its own."""

    DECODING = auto()  # stages that read the span alone
    FRAMES = auto()  # the others up to the last one that reads frames
    CROPS = auto()  # the others up to the last one that reads crops of faces
    ROWS = auto()  # all later ones


@dataclass(frozen=True)
class Step:
    """A stage with its place in the pipeline."""

    name: str  # of the stage in the YAML
    stage: Any
    inputs: tuple[str, ...]  # names of the stages whose outputs it reads, or "span"
    frees: tuple[str, ...]  # values that no later step reads, apart from the output of the pipeline
    phase: Phase  # when it runs
    output: type  # of the values that it returns, as its annotation states


def build(spec: PipelineSpec, output: type = AffectTrack) -> tuple[Step, ...]:
    """Return the steps of a pipeline in the order in which they run; no weights are loaded.

    Each stage is created with its options and connected to its inputs. Then it is adapted to the stages that read it
    and to the networks whose features it reads, if it declares that it depends on them. Raises ConfigError, with the
    place in the YAML, for unknown stages or options, invalid values, inputs of another type than a stage takes or
    without a column that it needs, and a pipeline whose result is not of the type `output`.
    """
    built = {line.name: create_stage(line) for line in spec.stages}
    _check_connections(spec, built, output)
    _check_columns(spec, built)
    _adapt_to_readers(spec, built)
    _adapt_to_features(spec, built)
    phases = _phases(spec, built)
    lines = sorted(spec.stages, key=lambda line: phases[line.name].value)
    freed = _freed_values(lines, spec.output)
    outputs = {name: stages.signature(type(stage))[1] for name, stage in built.items()}
    return tuple(
        Step(line.name, built[line.name], line.inputs, freed[line.name], phases[line.name], outputs[line.name])
        for line in lines
    )


def _freed_values(lines: list[StageSpec], output: str) -> dict[str, tuple[str, ...]]:
    """Return the values that each stage reads last, and its own value if no stage reads it, by the stage's name.

    lines: in the order in which they run; output: the value that the caller of the pipeline reads.
    """
    last_use = {line.name: line.name for line in lines}
    last_use |= {name: line.name for line in lines for name in line.inputs}
    last_use.pop(output)
    freed: dict[str, list[str]] = {line.name: [] for line in lines}
    for value, stage in last_use.items():
        freed[stage].append(value)
    return {stage: tuple(values) for stage, values in freed.items()}


def create_stage(line: StageSpec) -> Any:
    """Return the stage of one line, its options checked against the fields of its dataclass.

    Code outside avfer is checked to be a stage before it is called. Raises ConfigError with the line of the YAML, and
    WeightsError if a file of weights is missing.
    """
    try:
        kind = find("stage", line.use)
    except ConfigError as error:
        raise ConfigError(f"{error} ({line.where})") from None
    options = stage_options(line, kind)
    try:
        check_call("stage", line.use, kind, options)
        return kind(**options)
    except WeightsError as error:
        raise WeightsError(_with_place(line, kind, f"weights: {error}")) from error
    except (ConfigError, ValueError) as error:
        raise ConfigError(_with_place(line, kind, str(error))) from error


def _with_place(line: StageSpec, kind: type[Any], message: str) -> str:
    """Add the place in the YAML to a message: "stages.boxes.min_score: must be finite, got nan (x.yaml, line 5)".

    message: "min_score: must be ..." if an option is wrong, any other text if the stage is.
    """
    option, colon, _ = message.partition(":")
    names_option = colon and option in {field.name for field in fields(kind)}
    return f"stages.{line.name}{'.' if names_option else ': '}{message} ({line.where})"


def stage_options(line: StageSpec, kind: type[Any]) -> dict[str, Any]:
    """Return the options of a line with values of the types that the fields declare.

    kind: the class of the stage. Raises ConfigError for an unknown or missing option and for a value of another type
    or out of range.
    """
    known = {field.name: field for field in fields(kind) if field.init}
    for option in line.options:
        if option not in known:
            raise ConfigError(_with_place(line, kind, unknown("option", option, known)))
    for name, field in known.items():
        if name not in line.options and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(_with_place(line, kind, f"{name}: is missing; add it"))
    types = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for name, value in line.options.items():
        try:
            values[name] = validate(types[name], value)
        except ValueError as error:
            raise ConfigError(_with_place(line, kind, f"{name}: {error}")) from None
    return values


def _check_connections(spec: PipelineSpec, built: dict[str, Any], output: type) -> None:
    """Raise ConfigError unless every input exists, comes earlier and has a type that its stage takes.

    A stage may not read values of two stages that decode frames, because it compares frames by their numbers.
    """
    outputs: dict[str, type] = {"span": Span}
    decoders: dict[str, frozenset[str]] = {"span": frozenset()}  # of a value -> the stages that decoded its frames
    for line in spec.stages:
        wanted, result = stages.signature(type(built[line.name]))
        if len(wanted) != len(line.inputs):
            takes = ", ".join(f"{name}: {_type_names(kinds)}" for name, kinds in wanted)
            count = f"takes {counted(len(wanted), 'input')} ({takes}), but from: names {len(line.inputs)}"
            raise ConfigError(f"stage '{line.name}' {count} ({line.where})")
        for name, (_, kinds) in zip(line.inputs, wanted, strict=True):
            if name not in outputs:
                hint = "it comes later; move it up" if name in built else unknown("value", name, outputs)
                raise ConfigError(f"stage '{line.name}' reads '{name}': {hint} ({line.where})")
            if not issubclass(outputs[name], kinds):
                found = f"'{name}' is {_article(outputs[name])} {outputs[name].__name__}"
                raise ConfigError(f"stage '{line.name}' takes {_type_names(kinds)}, but {found} ({line.where})")
        reached = frozenset(decoder for name in line.inputs for decoder in decoders[name])
        if len(reached) > 1:
            found = " and ".join(f"'{name}'" for name in sorted(reached))
            raise ConfigError(f"stage '{line.name}' reads the frames of {found}; decode them once ({line.where})")
        outputs[line.name] = result
        decodes = line.inputs == ("span",) and result is FrameBatch
        decoders[line.name] = frozenset({line.name}) if decodes else reached
    if not issubclass(outputs[spec.output], output):
        found = f"'{spec.output}' is {outputs[spec.output].__name__}, not {output.__name__}"
        raise ConfigError(f"output: {found} ({spec.where})")


def _check_columns(spec: PipelineSpec, built: dict[str, Any]) -> None:
    """Raise ConfigError for a stage whose inputs lack a column that it needs, or have one that it adds.

    Columns reach a stage through any number of stages that pass rows on. Also raises it for a declaration of another
    type, which a stage of the user may have.
    """
    columns: dict[str, frozenset[str]] = {"span": frozenset()}
    for line in spec.stages:
        reaching = frozenset(column for name in line.inputs for column in columns[name])
        stage = built[line.name]
        needed = stage.needed_columns if isinstance(stage, stages.NeedsColumns) else {}
        added = stage.added_columns if isinstance(stage, stages.AddsColumns) else ()
        needed = _declared(line, stage, "needed_columns", dict[str, str], needed)
        added = _declared(line, stage, "added_columns", tuple[str, ...], added)
        for column, adder in needed.items():
            if column not in reaching:
                problem = f"reads the column {column}, which no stage before it declares in added_columns"
                problem += f"; add {adder} and name it at from:"
                raise ConfigError(_with_place(line, type(stage), problem))
        for column in added:
            if column in reaching:
                problem = f"adds the column {column}, which a stage before it adds; use only one of the two"
                raise ConfigError(_with_place(line, type(stage), problem))
        columns[line.name] = reaching.union(added)


def _declared(line: StageSpec, stage: Any, name: str, kind: Any, value: Any) -> Any:
    """Return what a stage declares as an instance of a type. Raises ConfigError if it is of another type."""
    try:
        return validate(kind, value)
    except ValueError as error:
        raise ConfigError(_with_place(line, type(stage), f"{name} of its class: {error}")) from None


def _adapt_to_readers(spec: PipelineSpec, built: dict[str, Any]) -> None:
    """Adapt each stage that depends on its readers to the stages that read its output.

    So `align_faces` cuts out crops of the size that the backbone of `embed_faces` needs. Raises ConfigError if the
    readers do not go together.
    """
    for line in spec.stages:
        readers = [built[other.name] for other in spec.stages if line.name in other.inputs]
        stage = built[line.name]
        try:
            built[line.name] = stage.for_readers(readers) if isinstance(stage, stages.DependsOnReaders) else stage
        except ConfigError as error:
            raise ConfigError(_with_place(line, type(stage), str(error))) from None


def _adapt_to_features(spec: PipelineSpec, built: dict[str, Any]) -> None:
    """Adapt each stage that depends on the networks before it to the networks whose features reach it.

    Features reach a stage through any number of stages that pass them on, such as `join_features`. So `predict_affect`
    refuses features of another network than the one that its model was trained with.
    """
    cards: dict[str, stages.Cards] = {"span": {}}
    for line in spec.stages:
        reaching = {modality: card for name in line.inputs for modality, card in cards[name].items()}
        stage = built[line.name]
        try:
            built[line.name] = stage.for_features(reaching) if isinstance(stage, stages.DependsOnFeatures) else stage
        except WeightsError as error:
            raise WeightsError(_with_place(line, type(stage), f"weights: {error}")) from None
        except ConfigError as error:
            raise ConfigError(_with_place(line, type(stage), str(error))) from None
        cards[line.name] = reaching | stages.feature_cards(built[line.name])


def _phases(spec: PipelineSpec, built: dict[str, Any]) -> dict[str, Phase]:
    """Return the phase of every stage by its name.

    Stages up to the last one that reads frames share the thread of the frames, so frames are freed early.
    """
    last_frames, last_crops = _last_reader(spec, built, FrameBatch), _last_reader(spec, built, FaceCrops)

    def phase(i: int, line: StageSpec) -> Phase:
        if line.inputs == ("span",):
            return Phase.DECODING
        return Phase.FRAMES if i <= last_frames else Phase.CROPS if i <= last_crops else Phase.ROWS

    return {line.name: phase(i, line) for i, line in enumerate(spec.stages)}


def _last_reader(spec: PipelineSpec, built: dict[str, Any], kind: type) -> int:
    """Return the index of the last stage that reads an output of a type, -1 if none does."""
    outputs = {line.name for line in spec.stages if stages.signature(type(built[line.name]))[1] is kind}
    return max((i for i, line in enumerate(spec.stages) if outputs.intersection(line.inputs)), default=-1)


def _article(kind: type) -> str:
    return "an" if kind.__name__[0] in "AEIOU" else "a"


def _type_names(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
