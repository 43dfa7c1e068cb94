"""The heat map of action units and the curves of angles, as SVG."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from avfer.export.colours import VIRIDIS
from avfer.export.measure_charts import action_unit_chart, angle_chart, angle_limit
from avfer.export.svg import LEFT, RIGHT, WIDTH
from avfer.export.track_series import TrackSeries


def person(label: str = "track 1", **measures: list[float]) -> TrackSeries:
    """Return a series with a point at every second from 0."""
    count = len(next(iter(measures.values())))
    empty = np.full(count, np.nan, np.float32)
    columns = {name: np.float32(values) for name, values in measures.items()}
    return TrackSeries(label, count, np.arange(count) + 0.0, empty, empty, np.array([""] * count), columns)


def pictures(chart: str) -> list[np.ndarray]:
    """Return the heat maps of a chart as (A, W, 4) uint8 RGBA."""
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in re.findall('base64,([^"]*)"', chart)]


def test_a_heat_map_has_a_row_for_each_unit_and_a_colour_for_each_value():
    people = [person(au01=[0.0, 1.0, 0.5], au12=[0.5, np.nan, 0.0])]
    (picture,) = pictures(action_unit_chart(people, ["au01", "au12"], 0.0, 3.0))
    assert picture.shape == (2, WIDTH - LEFT - RIGHT, 4)
    middles = picture[:, [100, 430, 760]]
    colours = [tuple(int(VIRIDIS[step][i : i + 2], 16) for i in (1, 3, 5)) for step in (0, 8, 4)]
    assert [tuple(colour) for colour in middles[0, :, :3]] == colours
    assert tuple(middles[1, 0, :3]) == colours[2] and tuple(middles[1, 2, :3]) == colours[0]
    assert middles[..., 3].tolist() == [[255, 255, 255], [255, 0, 255]]  # a missing value is transparent


def test_units_are_named_and_tracks_without_values_are_left_out():
    people = [person("track 1", au12_corrected=[0.1]), person("voice alone", au12_corrected=[np.nan])]
    chart = action_unit_chart(people, ["au12_corrected"], 0.0, 1.0)
    assert ">AU12</text>" in chart and "track 1" in chart and "voice alone" not in chart


def test_a_positive_angle_is_above_zero_and_missing_angles_break_the_line():
    chart = angle_chart([person(yaw_deg=[15.0, -15.0, np.nan, 0.0])], ["yaw_deg"], 0.0, 3.0)
    (path,) = re.findall(r'<path d="([^"]*)"', chart)
    assert path == "M86.0 22.0L372.7 118.0M946.0 70.0"
    assert "Head yaw, + to the right" in chart and ">+15°</text>" in chart


@pytest.mark.parametrize(("largest", "limit"), [(2.0, 15), (15.0, 15), (-16.0, 30), (89.0, 90), (np.nan, 15)])
def test_the_axis_of_angles_is_symmetrical_and_holds_every_value(largest, limit):
    assert angle_limit([person(roll_deg=[0.0, largest])], ["roll_deg"]) == limit
