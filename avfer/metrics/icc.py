"""Intraclass correlation of single ratings (Shrout and Fleiss 1979), as in DISFA and BP4D."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import MetricError, unknown
from avfer.metrics.inputs import to_floats

Kind = Literal["3,1", "2,1"]


def icc(ratings: ArrayLike, kind: Kind = "3,1") -> float:
    """ICC of (R, T) ratings, one row a rater (prediction and truth are two), one column a target.

    "3,1" takes the raters as the only ones, so that a constant bias of one costs nothing (consistency); "2,1" as
    drawn from many, so that it costs (absolute agreement). NaN for fewer than two targets, or without any variance.
    """
    if kind not in ("3,1", "2,1"):
        raise MetricError(unknown("kind of ICC", kind, ("3,1", "2,1")))
    values = to_floats(ratings)
    if values.ndim != 2 or len(values) < 2:
        raise MetricError(f"ICC needs (R, T) ratings of two raters or more, not {values.shape}")
    if not np.isfinite(values).all():
        raise MetricError(f"{np.sum(~np.isfinite(values))} ratings are NaN or infinite; ICC needs them all")
    raters, targets = values.shape
    if targets < 2:
        return float("nan")
    values = values - values[0, 0]  # so that equal ratings leave exactly no variance
    of_target, of_rater, mean = values.mean(0), values.mean(1), values.mean()
    rest = values - of_target - of_rater[:, None] + mean
    between = raters * np.sum((of_target - mean) ** 2) / (targets - 1)
    bias = targets * np.sum((of_rater - mean) ** 2) / (raters - 1)
    error = np.sum(rest**2) / ((targets - 1) * (raters - 1))
    whole = between + (raters - 1) * error + (raters * (bias - error) / targets if kind == "2,1" else 0.0)
    return float((between - error) / whole) if whole > 0 else float("nan")
