"""Charts of distributions as SVG."""

import re

import numpy as np

from avfer.export.distribution_charts import epoch_chart, histogram_chart


def test_charts_name_their_axes():
    bars = histogram_chart(np.array([1, 3]), -1, 1, "valence", "rows")
    assert ">valence</text>" in bars and ">share of rows</text>" in bars
    assert ">epoch</text>" in epoch_chart({"score": [0.1, 0.4]}, "scores")


def test_negative_numbers_on_an_axis_have_a_minus_sign():
    for chart in (histogram_chart(np.array([1, 3]), -1, 1, "valence", "rows"), epoch_chart({"score": [-1, 1]}, "s")):
        assert re.search(r"label\">−\d", chart) and not re.search(r"label\">-\d", chart)
