"""Read a pipeline's YAML and check its names, shapes and values, before any stage is created.

The YAML has five keys:

    chunk: 1.0                    # seconds processed at once, default 1.0
    threads: 1                    # CPU threads of each network, default 1
    baseline: low                 # subtract each person's resting value from the action units (avfer.baseline): low,
                                  # or the seconds [start, stop) in which the faces rest; default null: no
    numbers_only: true            # whatever would write or link a picture of the clip is refused; default false
    stages:                       # in the order in which they read each other
      frames: {use: decode_video, from: span}
      boxes: {use: detect_faces, from: frames, min_size: 40}
    output: boxes                 # the stage whose output is the result

`use` is a name of the catalog or `package.module:Name`, `from` names one value or a list of values (`span` is the part
of the clip to decode), and all other keys are options of the stage.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from avfer.baseline import Baseline, parse_baseline
from avfer.configurations import FOLDERS, find_configuration, read_text
from avfer.errors import ConfigError, unknown
from avfer.option_types import Number, Threads, option_errors, validate
from avfer.yaml_reader import YamlDocument, parse_mapping, shown, write_yaml

SETTINGS = ("chunk", "threads", "baseline", "numbers_only", "output")  # keys at the top that overrides can set
KEYS = {*SETTINGS, "stages"}  # all keys at the top
STAGE_KEYS = {"use", "from"}
MAX_STAGES = 100
# Options that users set without the name of a stage: the option, and the stages (`use`) that have it, by the short name
# that users write.
SHORT_NAMES: dict[str, tuple[str, frozenset[str]]] = {
    "start": ("start_at", frozenset({"decode_video", "decode_audio"})),
    "stop": ("stop_at", frozenset({"decode_video", "decode_audio"})),
    "sequence_fps": ("sequence_fps", frozenset({"decode_video"})),
    "region": ("region", frozenset({"detect_faces"})),
    "person": ("person", frozenset({"align_faces"})),
    "landmarks": ("landmarks", frozenset({"add_measures"})),
    "engine": ("engine", frozenset({"detect_faces", "identify_persons", "embed_faces", "measure_faces"})),
}
Chunk = Annotated[Number, Field(ge=0.01, le=600)]  # seconds


@dataclass(frozen=True)
class StageSpec:
    """One line of `stages:`: `name: {use, from, options}`."""

    name: str
    use: str  # name in the catalog, or "package.module:Name"
    inputs: tuple[str, ...]  # names of other stages, or "span"
    options: dict[str, Any]
    where: str  # "pipelines/aver.yaml, line 11"


@dataclass(frozen=True)
class PipelineSpec:
    """A whole pipeline as its YAML describes it."""

    name: str  # of the file, without its ending
    text: str  # YAML, with overrides applied
    chunk: float  # seconds processed at once
    threads: int  # that each network may use
    stages: tuple[StageSpec, ...]  # in the order of the YAML
    output: str  # name of the stage whose output is the result
    where: str  # name of the file, for messages
    baseline: Baseline | None = None  # how resting values are subtracted from the action units
    numbers_only: bool = False  # no file that is made from a clip may show or link its pictures (avfer.export.privacy)

    @property
    def sha256(self) -> str:
        """The SHA-256 of `text` in hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_pipeline(name: str | Path, overrides: Mapping[str, Any] | None = None) -> PipelineSpec:
    """Read a pipeline by the name of a bundled one or the path of a YAML file.

    `overrides` maps `stage.option` or a name of SETTINGS or SHORT_NAMES to new values: those of YAML, paths, or
    numbers and arrays of NumPy. Raises ConfigError, with file and line, if the text is not a valid pipeline.
    """
    path = find_configuration("pipeline", name)
    text = read_text(path)
    file = path.name if path.parent == FOLDERS["pipeline"] else str(name)
    document = parse_mapping(text, file, "stages: and output:")
    _check_top(document)  # before the overrides, whose errors would hide a misspelt key of the file
    if overrides:
        _override(document.content, overrides)
        text = write_yaml(document.content, width=100)
    return _pipeline(path.stem, text, document)


def parse_pipeline(text: str, name: str) -> PipelineSpec:
    """Return the pipeline of a YAML text, which messages call `name`. Raises ConfigError as `read_pipeline`."""
    return _pipeline(name, text, parse_mapping(text, name, "stages: and output:"))


def _override(data: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Set options of stages and SETTINGS in the parsed YAML."""
    stages = data.get("stages")
    for key, given in overrides.items():
        value = _plain(given)
        with option_errors(key):
            write_yaml(value)
        stage, dot, option = key.partition(".")
        if not dot and key in SETTINGS:
            data[key] = value
        elif key in SHORT_NAMES:
            _override_short_name(stages, key, value)
        elif not dot:
            names = ", ".join((*SETTINGS, *SHORT_NAMES))
            raise ConfigError(f"'{key}' cannot be set; write stage.option or one of {names}")
        elif not isinstance(stages, dict) or not isinstance(stages.get(stage), dict):
            raise ConfigError(_unknown_stage(stage, stages if isinstance(stages, dict) else {}))
        else:
            stages[stage][option] = value


def _plain(value: Any) -> Any:
    """Return a value with texts in place of paths and plain numbers in place of those of NumPy."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _unknown_stage(name: str, stages: dict[Any, Any]) -> str:
    """Return the message for the name of no stage; a name of the catalog is corrected to the stages that use it."""
    named = [str(stage) for stage, line in stages.items() if isinstance(line, dict) and line.get("use") == name]
    if named:
        return f"unknown stage '{name}'; the pipeline calls it {' and '.join(named)}"
    return unknown("stage", name, map(str, stages))


def _override_short_name(stages: Any, key: str, value: Any) -> None:
    """Set an option by its short name on every stage that has it. Raises ConfigError if no stage has it."""
    option, uses = SHORT_NAMES[key]
    lines = stages.values() if isinstance(stages, dict) else ()
    found = [line for line in lines if isinstance(line, dict) and line.get("use") in uses]
    if not found:
        raise ConfigError(f"'{key}' cannot be set: the pipeline has no stage {' or '.join(sorted(uses))}")
    for line in found:
        line[option] = value


def _pipeline(name: str, text: str, document: YamlDocument) -> PipelineSpec:
    """Check the keys and values at the top of the YAML and return the specification."""
    _check_top(document)
    data, where = document.content, document.where
    specs = tuple(_stage(key, value, document) for key, value in data["stages"].items())
    output = data.get("output")
    if output not in [line.name for line in specs]:
        names = ", ".join(line.name for line in specs)
        raise ConfigError(f"output: must be one of the stages {names}, got {shown(output)} ({where('output')})")
    chunk = _number("chunk", data.get("chunk", 1.0), Chunk, document)
    threads = _number("threads", data.get("threads", 1), Threads, document)
    try:
        baseline = parse_baseline(data.get("baseline"))
    except ValueError as error:
        raise ConfigError(f"baseline: {error} ({where('baseline')})") from None
    numbers_only = data.get("numbers_only", False)
    if not isinstance(numbers_only, bool):
        raise ConfigError(f"numbers_only: must be true or false, got {shown(numbers_only)} ({where('numbers_only')})")
    return PipelineSpec(name, text, float(chunk), threads, specs, output, document.file, baseline, numbers_only)


def _check_top(document: YamlDocument) -> None:
    """Raise ConfigError for an unknown key at the top of the YAML, and unless `stages` is a mapping of a fair size."""
    data, where = document.content, document.where
    for key in data:
        if key not in KEYS:
            raise ConfigError(f"{unknown('key', str(key), KEYS)} ({where(str(key))})")
    stages = data.get("stages")
    if not isinstance(stages, dict) or not stages:
        raise ConfigError(f"stages: must be a mapping of names to stages, got {shown(stages)} ({where('stages')})")
    if len(stages) > MAX_STAGES:
        raise ConfigError(f"stages: at most {MAX_STAGES} are possible, got {len(stages)} ({where('stages')})")


def _number(key: str, value: Any, kind: Any, document: YamlDocument) -> Any:
    """Return the value of a key as a number of the type `kind`. Raises ConfigError with the line."""
    try:
        return validate(kind, value)
    except ValueError as error:
        raise ConfigError(f"{key}: {error} ({document.where(key)})") from None


def _stage(name: Any, value: Any, document: YamlDocument) -> StageSpec:
    """Check one line of `stages:` and return its specification."""
    where = document.where("stages", str(name))
    if not isinstance(name, str):  # a number, or one of the words on, off, yes and no, which are booleans in YAML
        raise ConfigError(f"stages: a name must be a text, got {shown(name)}; write it in quotes ({where})")
    if not isinstance(value, dict) or not isinstance(value.get("use"), str):
        raise ConfigError(f"stage '{name}': must be {{use: ..., from: ..., options}}, got {shown(value)} ({where})")
    inputs = value.get("from", [])
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not inputs or not all(isinstance(i, str) for i in inputs):
        raise ConfigError(f"stage '{name}': from: must name the values that it reads, got {shown(inputs)} ({where})")
    options = {str(key): option for key, option in value.items() if key not in STAGE_KEYS}
    return StageSpec(name, value["use"], tuple(inputs), options, where)
