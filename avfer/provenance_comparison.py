"""Compare what made an existing table with what would make it now: pipeline, weight files and input.

`avfer run` and `avfer evaluate` keep an existing file only if all three are the same; `avfer label` compares the hash
of the pipeline. A pipeline is compared with all its defaults, so comments, the order of keys, and defaults that the
YAML states make no difference.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avfer.catalog import find
from avfer.errors import ConfigError, shortened
from avfer.picture_files import find_pictures, is_sequence
from avfer.pipeline_builder import stage_options
from avfer.pipeline_config import PipelineSpec, StageSpec, parse_pipeline
from avfer.provenance import Provenance

MAX_LISTED = 5  # options that one message lists
DIGITS = 8  # of a hash in a message
# What identifies an input: "size" in bytes, "modified" in s since 1970, "columns" of the user's manifest, "sound" with
# the state of a separate sound file; JSON values.
InputState = dict[str, Any]


def resolve(spec: PipelineSpec) -> dict[str, Any]:
    """Return a pipeline with the values of all options, those that the YAML leaves out included.

    `{"chunk": 1.0, "threads": 1, "output": "affect", "stages": {"boxes": {"use": "detect_faces", "from": ["frames"],
    "min_size": 40.0, ...}}}`, and the keys "baseline" and "numbers_only" if they are set. Raises ConfigError if a
    stage or an option is unknown.
    """
    baseline = {"baseline": spec.baseline.seconds or "low"} if spec.baseline else {}
    private = {"numbers_only": True} if spec.numbers_only else {}
    return {
        "chunk": spec.chunk,
        "threads": spec.threads,
        "output": spec.output,
        "stages": {line.name: _resolved(line) for line in spec.stages},
        **baseline,
        **private,
    }


def _resolved(line: StageSpec) -> dict[str, Any]:
    """Return the stage of a line, its inputs and all its options."""
    kind = find("stage", line.use)
    options: dict[str, Any] = {"use": line.use, "from": list(line.inputs)}
    for option in fields(kind):
        if option.init and option.default is not MISSING:
            options[option.name] = option.default
        elif option.init and option.default_factory is not MISSING:
            options[option.name] = option.default_factory()
    return options | stage_options(line, kind)


def pipeline_sha256(spec: PipelineSpec) -> str:
    """Return the sha256 of a pipeline with all its defaults, in hexadecimal digits."""
    return _sha256(resolve(spec))


def _sha256(resolved: Mapping[str, Any]) -> str:
    """Return the sha256 of a pipeline as `resolve` returns it."""
    return hashlib.sha256(json.dumps(resolved, sort_keys=True, default=str).encode()).hexdigest()


def input_state(path: Path, sound: Path | None = None) -> InputState:
    """Return the size and the modification time of an input, and of its separate sound file.

    The size of a sequence of pictures is that of all its pictures, its time that of the newest. A file that cannot be
    read has no state: `{}`.
    """
    try:
        files = find_pictures(path) if is_sequence(path) else [path]
        found = [file.stat() for file in files]
    except Exception:  # the reader of the clip reports what is wrong with it
        return {}
    state: InputState = {"size": sum(file.st_size for file in found), "modified": max(file.st_mtime for file in found)}
    return state if sound is None else state | {"sound": {"name": sound.name, **input_state(sound)}}


def differences(found: Mapping[str, str], wanted: Provenance) -> list[str]:
    """Return what differs between what made a file and what would make it now: "boxes.min_size 40.0 (now 24.0)".

    found: the metadata of the file (`Provenance.as_metadata`). What the file does not record is not compared.
    """
    pipeline = list(_pipeline_difference(found, wanted))
    return [
        *pipeline,
        *_weights_differences(found, wanted, same_files=not pipeline),
        *_input_difference(found, wanted),
    ]


def _pipeline_difference(found: Mapping[str, str], wanted: Provenance) -> Iterator[str]:
    """Yield one text if the pipelines differ, with the options that do.

    Pipelines of different names that differ in more than MAX_LISTED options are only named.
    """
    before = _resolve_text(found.get("pipeline", ""))
    sha256 = found.get("parsed_pipeline_sha256", "") or (_sha256(before) if before else "")
    if not sha256 or sha256 == wanted.parsed_pipeline_sha256:
        return
    now = _resolve_text(wanted.pipeline)
    names = f"{found.get('pipeline_name', '')} {sha256[:DIGITS]}".strip()
    text = f"pipeline {names} (now {wanted.pipeline_name} {wanted.parsed_pipeline_sha256[:DIGITS]})"
    if before and now:
        changes = _changes(dict(_options(before)), dict(_options(now)))
        more = len(changes) - MAX_LISTED
        if found.get("pipeline_name") != wanted.pipeline_name and more > 0:
            yield text
            return
        text += ": " + ", ".join([*changes[:MAX_LISTED], *([f"{more} more"] if more > 0 else [])])
    yield text


def _changes(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return a text for each key whose value differs: "boxes.min_size 40.0 (now 24.0)", "baseline absent (now low)"."""
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [f"{key} {old.get(key, 'absent')} (now {new.get(key, 'absent')})" for key in changed]


def _resolve_text(text: str) -> dict[str, Any] | None:
    """Return `resolve` of the pipeline in a YAML text; None if this version of avfer cannot read it."""
    try:
        return resolve(parse_pipeline(text, "pipeline"))
    except ConfigError:
        return None


def _options(resolved: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the options of a resolved pipeline: ("boxes.min_size", 40.0), ("threads", 1)."""
    for name, options in resolved["stages"].items():
        for option, value in options.items():
            yield f"{name}.{option}", value
    yield from ((key, value) for key, value in resolved.items() if key != "stages")


def _weights_differences(found: Mapping[str, str], wanted: Provenance, same_files: bool) -> Iterator[str]:
    """Yield a text for each weight file whose hash differs, among the files that both have.

    same_files: whether both must have the same files, as those of one pipeline do; else other files are no difference.
    """
    before: dict[str, str] = json.loads(found.get("weights") or "{}")
    if same_files and before and before.keys() != wanted.weights.keys():
        yield f"weights {', '.join(before)} (now {', '.join(wanted.weights)})"
        return
    for name, sha256 in before.items():
        if sha256 != wanted.weights.get(name, sha256):
            yield f"weights {name} {sha256[:DIGITS]} (now {wanted.weights[name][:DIGITS]})"


def _input_difference(found: Mapping[str, str], wanted: Provenance) -> Iterator[str]:
    before: InputState = json.loads(found.get("input") or "{}")
    now: InputState = dict(wanted.input)
    if before and now:
        if changes := _changes(before.pop("columns", {}), now.pop("columns", {})):
            yield f"a manifest with {shortened(changes, MAX_LISTED)}"
        if before != now:
            yield f"input of {_state_text(before)} (now {_state_text(now)})"
    if found.get("clip", wanted.clip) != wanted.clip:
        yield f"input {found['clip']} (now {wanted.clip})"


def _state_text(state: Mapping[str, Any]) -> str:
    """Return the state of an input for a message: "2048 bytes, modified 2026-01-31 12:00:00.250000"."""
    modified = state.get("modified")
    time = f", modified {datetime.fromtimestamp(modified, UTC):%F %T.%f}" if modified is not None else ""
    sound = f", sound {state['sound'].get('name')} of {_state_text(state['sound'])}" if "sound" in state else ""
    return f"{state.get('size')} bytes{time}{sound}"
