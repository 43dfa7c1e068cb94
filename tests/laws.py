"""The chunk law, which every stage obeys: cutting a clip into other chunks changes no value."""

from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from avfer import stage as stages
from avfer.rows import concat, select
from avfer.types import Clock, FaceDetections, FaceTracks, FrameBatch


def clock(count: int, fps: float = 25.0, **options: Any) -> Clock:
    """Return the clock of a whole clip of `count` frames."""
    return Clock(0, np.arange(count) / fps, np.zeros(count, bool), last=True, **options)


def part(value: Any, start: int, stop: int, *, last: bool | None = None) -> Any:
    """Return the rows of the frames from `start` to `stop` (half-open); `last` overrides the end mark of the clock."""
    cut = value.clock.part(start, stop)
    cut = cut if last is None else replace(cut, last=last)
    if isinstance(value, FrameBatch):
        return FrameBatch(cut, value.pixels[start:stop])
    if isinstance(value, FaceDetections):
        keys = (value.key_frames >= start) & (value.key_frames < stop)
        rows = (value.frames >= start) & (value.frames < stop)
        return replace(
            value,
            clock=cut,
            key_frames=value.key_frames[keys],
            frames=value.frames[rows],
            boxes=value.boxes[rows],
            scores=value.scores[rows],
        )
    frames = value.frames if isinstance(value, FaceTracks) else value.faces.frames
    return select(value, (frames >= start) & (frames < stop), cut)


def feed(stage: Any, values: list[Any], cuts: list[int]) -> Any:
    """Return the whole output of a stage for inputs that are cut at these frames."""
    count, state, parts = len(values[0].clock), stages.start(stage), list[Any]()
    edges = [0, *sorted(cuts), count]
    for i, (start, stop) in enumerate(pairwise(edges)):
        inputs = [part(value, start, stop, last=i == len(edges) - 2) for value in values]
        state, output = stages.run(stage, state, inputs)
        parts.append(output)
    return concat(parts)


def assert_same(first: Any, second: Any) -> None:
    """Assert that two structs are equal to the last bit in every array."""
    assert type(first) is type(second)
    for field in fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, torch.Tensor):
            a, b = a.numpy(), b.numpy()
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        elif is_dataclass(a):
            assert_same(a, b)
        else:
            assert a == b, field.name
