"""Every number option of every stage has a range, and NaN, infinity and booleans are never numbers."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
from pydantic import Field

from avfer.catalog import NAMES, find
from avfer.errors import ConfigError
from avfer.option_types import Count, Number, Share, check_device, check_option, validate
from avfer.pipeline_builder import build
from avfer.pipeline_config import read_pipeline

TIMES = {"start_at", "stop_at"}  # of a clip; a part after its end is empty, however far
NONSENSE = [float("nan"), float("inf"), -float("inf"), 1e12, -1e12, True, "soon", [1], {"a": 1}]


def number_options() -> list[tuple[str, str]]:
    """Return stage and option of every option that is a number, alone or beside other types."""
    found: list[tuple[str, str]] = []
    for name in NAMES["stage"]:
        kind: Any = find("stage", name)
        types = get_type_hints(kind)
        named = [field.name for field in fields(kind) if field.init]
        found += [(name, option) for option in named if "int" in str(types[option]) or "float" in str(types[option])]
    return found


OPTIONS = number_options()


def test_the_stages_have_number_options():
    assert {("detect_faces", "min_score"), ("align_faces", "size"), ("smooth_affect", "window")} <= set(OPTIONS)


@pytest.mark.parametrize("value", NONSENSE, ids=str)
@pytest.mark.parametrize(("stage", "option"), OPTIONS)
def test_nonsense_is_no_value_of_a_number_option(tmp_path: Path, stage: str, option: str, value: Any):
    if option in TIMES and value == 1e12:
        return
    path = tmp_path / "x.yaml"
    path.write_text(f"stages:\n  a: {{use: {stage}, from: span}}\noutput: a\n")
    with pytest.raises(ConfigError, match=rf"stages\.a\.{option}: .*line 2\)"):
        build(read_pipeline(path, {f"a.{option}": value}))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"boxes.min_score": 2}, r"stages\.boxes\.min_score: must be in \[0, 1\], got 2 \(vision.yaml, line 5\)"),
        ({"boxes.min_score": float("nan")}, r"stages\.boxes\.min_score: must be finite, got nan"),
        ({"boxes.min_size": float("nan")}, r"stages\.boxes\.min_size: must be finite, got nan"),
        ({"boxes.min_size": 5}, r"stages\.boxes\.min_size: must be in \[12, 4096\], got 5"),
        ({"faces.size": 5000}, r"stages\.faces\.size: must be in \[8, 1024\], got 5000"),
        ({"faces.points": [[0, 0]] * 4}, r"stages\.faces\.points: .* at least 5 items"),
        ({"faces.points": [[0.5, 0.5]] * 5}, r"stages\.faces\.points: must be five landmarks"),
        ({"threads": 100_000}, r"threads: must be in \[1, 256\], got 100000 \(vision.yaml"),
        ({"threads": 1.5}, "threads: must be an integer, got 1.5"),
        ({"threads": 10**5000}, "a value cannot be written as YAML"),
        ({"chunk": float("nan")}, "chunk: must be finite, got nan"),
        ({"chunk": 1e-9}, r"chunk: must be in \[0\.01, 600\]"),
        ({"chunk": True}, "chunk: must be a number, got True"),
        ({"affect.window": object()}, "a value cannot be written as YAML"),
    ],
)
def test_the_message_names_the_option_its_bound_and_the_value(setting: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        build(read_pipeline("vision", setting))


@pytest.mark.parametrize(("kind", "value", "result"), [(Number, "1e-3", 1e-3), (Number, 2, 2.0), (Count, 3.0, 3)])
def test_numbers_are_converted(kind: Any, value: Any, result: float):
    converted = validate(kind, value)
    assert converted == result and type(converted) is type(result)


def test_bounds_belong_to_the_range():
    assert validate(Share, 0) == 0 and validate(Share, 1) == 1
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got -0\.1"):
        validate(Share, -0.1)


def test_an_absent_option_is_not_checked():
    check_option("--threads", None, Annotated[Count, Field(ge=1)] | None)
    with pytest.raises(ConfigError, match="--threads: must be >= 1, got 0"):
        check_option("--threads", 0, Annotated[Count, Field(ge=1)])


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_a_kind_of_device_with_or_without_a_number_is_a_device(name: str):
    check_device(name)


@pytest.mark.parametrize("name", ["auto:1", "cpu:x", "cuda:", "cuda:one", "cudnn"])
def test_anything_else_is_no_device(name: str):
    with pytest.raises(ConfigError, match=f"unknown device '{name}'; did you mean '"):
        check_device(name)


@pytest.mark.parametrize("name", ["gpu", "GPU", "gpu:0", "gpu1"])
def test_a_gpu_is_not_corrected_to_cpu(name: str):
    with pytest.raises(ConfigError, match=f"unknown device '{name}'; a GPU is 'cuda'"):
        check_device(name)
