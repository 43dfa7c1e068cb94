"""`avfer pipelines`: every pipeline, every option with its type, range, default and unit."""

from dataclasses import fields
from typing import Literal, get_type_hints

import pytest

from avfer.catalog import NAMES, find
from avfer.configurations import bundled
from avfer.option_types import Count, Share
from avfer.pipeline_config import read_pipeline
from avfer.pipeline_listing import field_comments, type_text

TOY = """\
stages:
  frames: {use: "tests.toy_stages:CountFrames", from: span}
  affect: {use: "tests.toy_stages:TimeAsValence", from: frames}
output: affect
"""
STAGES = {name: find("stage", name) for name in NAMES["stage"]}


def test_list_names_every_bundled_pipeline(avfer):
    result = avfer("pipelines", "list")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == bundled("pipeline")


@pytest.mark.parametrize("name", bundled("pipeline"))
def test_show_prints_the_yaml_and_every_option(avfer, name):
    result, spec = avfer("pipelines", "show", name), read_pipeline(name)
    assert result.code == 0 and result.out.startswith(spec.text)
    for line in spec.stages:
        options = [field.name for field in fields(find("stage", line.use)) if field.init]
        assert all(f"  {line.name}.{option} " in result.out for option in options)


def test_an_option_shows_its_value_default_range_and_unit(avfer):
    line = next(line for line in avfer("pipelines", "show", "aver").out.splitlines() if "affect.window" in line)
    assert line.split()[:8] == ["affect.window", "0.2", "0.4", "number", ">=", "0,", "<=", "600"]
    assert line.endswith("seconds, width of the whole window; 0: no smoothing")


def test_long_fractions_are_shown_with_six_digits_and_long_bounds_with_all(avfer):
    out = avfer("pipelines", "show", "vision").out
    assert "[[0.341916, 0.461574]," in out and "0.34191607" not in out
    assert type_text(get_type_hints(find("stage", "align_faces"), include_extras=True)["person"]).endswith(
        "< 2147483648"
    )


def test_a_stage_without_a_docstring_has_no_summary(avfer, tmp_path):
    text = TOY.replace("TimeAsValence", "Undocumented")
    (tmp_path / "own.yaml").write_text(text)
    lines = avfer("pipelines", "show", str(tmp_path / "own.yaml")).out.splitlines()
    assert "affect: tests.toy_stages:Undocumented." in lines
    assert any(line.startswith("frames: tests.toy_stages:CountFrames. A source of `count` black") for line in lines)


def test_an_unknown_pipeline_is_wrong_usage(avfer):
    result = avfer("pipelines", "show", "avr")
    assert result.code == 2 and "did you mean 'aver'?" in result.err


@pytest.mark.parametrize(
    ("hint", "text"),
    [(Share, "number >= 0, <= 1"), (Count | None, "integer or null"), (Literal["card", "arcface"], "card or arcface")],
)
def test_types_are_written_in_words(hint, text):
    assert type_text(hint) == text


@pytest.mark.parametrize("name", STAGES)
def test_every_number_beyond_a_share_states_its_unit(name):
    kind = STAGES[name]
    hints, comments = get_type_hints(kind, include_extras=True), field_comments(kind)
    for option in (field.name for field in fields(kind) if field.init):
        text = type_text(hints[option])
        if ("number" in text or "integer" in text) and "<= 1" not in text.split(" or "):
            assert comments.get(option) or "<= 1" in text, f"{name}.{option} has no comment with its unit"
