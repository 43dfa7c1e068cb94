"""What the options of a clip set in its pipeline."""

from typing import Any

import pytest

from avfer.cli.shared_options import clip_settings
from avfer.errors import ConfigError
from avfer.option_types import parse_seconds


def settings(**options: Any) -> dict[str, Any]:
    none = dict.fromkeys(("start", "stop", "fps", "region", "person"))
    return clip_settings(**(none | options))


def test_options_that_are_not_given_set_nothing():
    assert settings() == {}


def test_each_option_sets_its_key_of_the_pipeline():
    found = settings(
        start="0:02", stop="3.5", fps=12.5, region="0,0.5,1,0.25", person="3", baseline="1,0:02", numbers_only=True
    )
    assert found == {
        "start": 2.0,
        "stop": 3.5,
        "sequence_fps": 12.5,
        "region": [0, 0.5, 1, 0.25],
        "person": 3,
        "baseline": [1.0, 2.0],
        "numbers_only": True,
    }
    assert settings(person="largest", baseline="low") == {"person": "largest", "baseline": "low"}


def test_a_start_at_0_is_set_too():
    assert settings(start="0") == {"start": 0.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "2", "stop": "2"}, r"--stop: must be later than the start \(2 s\), got 2 s"),
        ({"stop": "0"}, r"--stop: must be later than the start \(0 s\), got 0 s"),
        ({"fps": 0.0}, r"--fps: must be in \(0, 1000\] Hz, got 0"),
        ({"fps": 1000.5}, r"--fps: must be in \(0, 1000\] Hz, got 1000.5"),
        ({"region": "0,0,1"}, "--region"),
        ({"baseline": "2"}, "--baseline: must be low, or start and stop in seconds such as 0,2, got '2'"),
        ({"baseline": "0,1,2"}, "--baseline: must be low, or start and stop in seconds such as 0,2, got '0,1,2'"),
        ({"baseline": "1,x"}, "--baseline: must be seconds >= 0 or hh:mm:ss, got 'x'"),
    ],
)
def test_a_value_out_of_range_is_an_error_with_the_option(options, message):
    with pytest.raises(ConfigError, match=message):
        settings(**options)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("90:00", 5400), ("01:00:00.5", 3600.5), (2.5, 2.5), ("0", 0)]
)
def test_a_time_is_seconds_or_minutes_or_hours(text, seconds):
    assert parse_seconds(text, "--start") == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:60", "1:00:60", "1:60:00", "1:2:3:4", "inf", "nan", "1:-5"])
def test_another_text_is_no_time(text):
    with pytest.raises(ConfigError, match="--start: must be seconds >= 0 or hh:mm:ss, got"):
        parse_seconds(text, "--start")
