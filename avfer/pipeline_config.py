"""Read a pipeline's YAML and check its names, shapes and values, before any stage is created.

The YAML has four keys:

    chunk: 1.0                    # seconds processed at once, default 1.0
    threads: 1                    # CPU threads of each network, default 1
    stages:                       # in the order in which they read each other
      frames: {use: decode_video, from: span}
      boxes: {use: detect_faces, from: frames, min_size: 40}
    output: boxes                 # the stage whose output is the result

`use` is a name of the catalog or `package.module:Name`, `from` names one value or a list of values (`span` is the part
of the clip to decode), and all other keys are options of the stage.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from avfer.configurations import FOLDERS, find_configuration, parse_mapping, read_text
from avfer.errors import ConfigError, unknown

KEYS = {"chunk", "threads", "stages", "output"}
STAGE_KEYS = {"use", "from"}


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

    name: str
    text: str  # YAML, with overrides applied
    chunk: float  # seconds processed at once
    threads: int  # that each network may use
    stages: tuple[StageSpec, ...]
    output: str  # name of the stage whose output is the result
    where: str  # name of the file, for messages

    @property
    def sha256(self) -> str:
        """The SHA-256 of `text` in hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass
class _Lines:
    """The line number of every key of a YAML file, by its path."""

    file: str
    numbers: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])

    def where(self, *path: str) -> str:
        """Return "FILE, line N" for a key, the file alone for a key that overrides added."""
        number = self.numbers.get(path)
        return f"{self.file}, line {number}" if number else self.file


def read_pipeline(name: str | Path, overrides: Mapping[str, Any] | None = None) -> PipelineSpec:
    """Read a pipeline by the name of a bundled one or the path of a YAML file.

    `overrides` maps `stage.option`, `chunk` or `threads` to new values. Raises ConfigError, with file and line, if
    the text is not a valid pipeline.
    """
    path = find_configuration("pipeline", name)
    text = read_text(path)
    lines = _Lines(path.name if path.parent == FOLDERS["pipeline"] else str(name))
    data = parse_mapping(text, lines.file, "stages: and output:")
    node = cast(yaml.MappingNode, yaml.compose(text, Loader=yaml.SafeLoader))
    _note_lines(node, (), lines)
    if overrides:
        _override(data, overrides)
        text = yaml.safe_dump(data, sort_keys=False, width=100)
    return _pipeline(path.stem, text, data, lines)


def parse_override(text: str) -> tuple[str, Any]:
    """Split `tracks.max_gap=1.0` into ("tracks.max_gap", 1.0); the value is read as YAML.

    Raises ConfigError if there is no `=`, no key, or the value is not valid YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: write it as stage.option=value")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not valid YAML") from error


def _note_lines(node: yaml.MappingNode, path: tuple[str, ...], lines: _Lines) -> None:
    """Store the line of every key below a node; raise ConfigError if a key is repeated."""
    for key, value in node.value:
        place = (*path, str(key.value))
        number = key.start_mark.line + 1
        if place in lines.numbers:
            raise ConfigError(f"the key '{key.value}' is repeated; keep one of them ({lines.file}, line {number})")
        lines.numbers[place] = number
        if isinstance(value, yaml.MappingNode):
            _note_lines(value, place, lines)


def _override(data: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Set options of stages, `chunk` or `threads` in the parsed YAML."""
    stages = data.get("stages")
    for key, value in overrides.items():
        stage, dot, option = key.partition(".")
        if not dot and key in {"chunk", "threads"}:
            data[key] = value
        elif not dot:
            raise ConfigError(f"'{key}' cannot be set; write stage.option, chunk or threads")
        elif not isinstance(stages, dict) or not isinstance(stages.get(stage), dict):
            raise ConfigError(unknown("stage", stage, map(str, stages) if isinstance(stages, dict) else ()))
        else:
            stages[stage][option] = value


def _pipeline(name: str, text: str, data: dict[str, Any], lines: _Lines) -> PipelineSpec:
    """Check the keys and values at the top of the YAML and return the specification."""
    for key in data:
        if key not in KEYS:
            raise ConfigError(f"{unknown('key', str(key), KEYS)} ({lines.where(str(key))})")
    stages = data.get("stages")
    if not isinstance(stages, dict) or not stages:
        raise ConfigError(f"stages: must be a mapping of names to stages, got {stages!r} ({lines.where('stages')})")
    specs = tuple(_stage(str(key), value, lines) for key, value in stages.items())
    output = data.get("output")
    if output not in stages:
        names = ", ".join(map(str, stages))
        raise ConfigError(f"output: must be one of the stages {names}, got {output!r} ({lines.where('output')})")
    chunk = data.get("chunk", 1.0)
    if isinstance(chunk, bool) or not isinstance(chunk, int | float) or not 0 < chunk < float("inf"):
        raise ConfigError(f"chunk: must be seconds above 0, got {chunk!r} ({lines.where('chunk')})")
    threads = data.get("threads", 1)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ConfigError(f"threads: must be a number from 1, got {threads!r} ({lines.where('threads')})")
    return PipelineSpec(name, text, float(chunk), threads, specs, str(output), lines.file)


def _stage(name: str, value: Any, lines: _Lines) -> StageSpec:
    """Check one line of `stages:` and return its specification."""
    where = lines.where("stages", name)
    if not isinstance(value, dict) or not isinstance(value.get("use"), str):
        raise ConfigError(f"stage '{name}': must be {{use: ..., from: ..., options}}, got {value!r} ({where})")
    inputs = value.get("from", [])
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not inputs or not all(isinstance(i, str) for i in inputs):
        raise ConfigError(f"stage '{name}': from: must name the values that it reads, got {inputs!r} ({where})")
    options = {str(key): option for key, option in value.items() if key not in STAGE_KEYS}
    return StageSpec(name, value["use"], tuple(inputs), options, where)
