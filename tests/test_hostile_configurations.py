"""Any YAML document and any option string gives a pipeline or an error of avfer, and runs no code."""

import errno
import json
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError, MissingExtra, WeightsError
from avfer.evaluation.evaluation_config import read_config as read_evaluation
from avfer.pipeline_builder import build
from avfer.pipeline_config import read_pipeline
from avfer.training.training_config import read_config as read_training
from avfer.yaml_reader import parse_override, parse_yaml
from tools.fuzz import cases
from tools.fuzz.mutations import VALUES

USAGE = (ConfigError, MissingExtra, WeightsError)  # exit code 2
PLAIN = (dict, list, str, int, float, bool, type(None))

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
lines = st.lists(
    st.sampled_from(["stages:", "  a:", "a: &a", "b: *a", "- x", "use: ", "[", "{", "? ", "!!", "\t", "'"])
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(max_size=60) | lines.map("\n".join) | values.map(json.dumps))
@example("a: &a [*a]")
def test_any_text_is_plain_values_or_a_config_error(text: str):
    try:
        content = parse_yaml(text, "x.yaml").content
    except ConfigError as error:
        assert "x.yaml" in str(error)
        return
    assert isinstance(content, PLAIN)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.builds("{}={}".format, st.text(max_size=10), st.sampled_from(VALUES)))
def test_any_override_is_a_key_with_a_plain_value_or_a_config_error(text: str):
    try:
        key, value = parse_override(text)
    except ConfigError:
        return
    assert key and isinstance(value, PLAIN)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.sampled_from(["boxes.min_size", "faces.points", "look.backbone", "raw.model", "chunk", "affect.window"]), values
)
def test_any_value_of_an_option_gives_a_pipeline_or_a_usage_error(key: str, value: Any):
    with suppress(*USAGE):
        build(read_pipeline("vision", {key: value}))


READERS = {
    "run": lambda path: build(read_pipeline(path)),
    "evaluate": read_evaluation,
    "train": read_training,
}


@pytest.mark.parametrize("seed", range(80))
def test_a_mutated_configuration_gives_a_pipeline_or_a_usage_error(tmp_path: Path, monkeypatch, seed: int):
    monkeypatch.chdir(tmp_path)
    case = next(cases.documents(random.Random(seed)))
    Path("x.yaml").write_bytes(case.files["x.yaml"])
    try:
        READERS[case.words[0]]("x.yaml")
    except USAGE as error:
        assert "unexpected" not in str(error) or "not valid YAML" in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize("name", ["os:system", "avfer.datasets.listing:check_root"])
def test_a_corpus_of_a_configuration_is_checked_before_it_is_called(avfer, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shared = f"corpus: '{name}'\nroot: touch PWNED\npipeline: vision\n"
    Path("train.yaml").write_text(shared + "model: temporal\noutput: out\n")
    Path("evaluate.yaml").write_text(shared + "partition: dev\noutput: out\n")
    for words in (["train", "train.yaml"], ["evaluate", "evaluate.yaml"], ["corpora", "check", name, "touch PWNED"]):
        result = avfer(*words)
        assert result.code == 2 and f"'{name}'" in result.err and "corpus" in result.err, result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluate.yaml", "train.yaml"]


@pytest.mark.parametrize(("argument", "shown"), [(os.fsdecode(b"\xff"), r"'\udcff'"), ("\ud83d", r"'\ud83d'")])
def test_an_argument_that_is_not_utf8_is_a_usage_error(avfer, argument, shown):
    result = avfer("run", "vision", "--input", "a.mp4", "--output", argument)
    assert result.code == 2 and f"the argument {shown} is not valid UTF-8 text" in result.err


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EACCES])
def test_a_path_that_the_file_system_refuses_is_a_usage_error(avfer, monkeypatch, number):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/some/path")

    monkeypatch.setattr("avfer.datasets.corpus.open_tasks", refuse)
    result = avfer("corpora", "check", "recola", ".")
    assert result.code == 2 and f"/some/path: {os.strerror(number)}; check the path" in result.err
