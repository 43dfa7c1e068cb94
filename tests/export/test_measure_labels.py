"""The axes of the charts of what is measured on faces."""

import numpy as np
import pytest

from avfer.export.measure_labels import angle_limit
from avfer.export.track_series import TrackSeries


def person(**measures: list[float]) -> TrackSeries:
    """Return a series with a point at every second from 0."""
    count = len(next(iter(measures.values())))
    empty = np.full(count, np.nan, np.float32)
    columns = {name: np.float32(values) for name, values in measures.items()}
    return TrackSeries("track 1", count, np.arange(count) + 0.0, empty, empty, np.array([""] * count), columns)


@pytest.mark.parametrize(("largest", "limit"), [(2.0, 15), (15.0, 15), (-16.0, 30), (89.0, 90), (np.nan, 15)])
def test_the_axis_of_angles_is_symmetrical_and_holds_every_value(largest, limit):
    assert angle_limit([person(roll_deg=[0.0, largest])], ["roll_deg"]) == limit
