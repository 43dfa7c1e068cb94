"""How far the labels of an example reach, against what the header of its video tells."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.example import Example, Notes
from avfer.errors import MediaError

BEYOND = "label steps after the end of the video, by its header: kept, nothing can be read there"
SHORT = "videos that go on after their last label, by their headers"
UNREADABLE = "videos that cannot be opened"
NEAR = 1.5  # steps by which a header may be wrong


class Extent(NamedTuple):
    """What a header tells; None where it does not."""

    frames: int | None
    seconds: float | None


def compare(example: Example, notes: Notes) -> None:
    """Note where the labels of an example and its video differ in length; nothing is decoded."""
    stamps = example.times if example.frames is None else example.frames
    if example.video is None or stamps is None or not len(example):
        return
    try:
        extent = extent_of(example.video)
    except MediaError as error:
        notes.add(UNREADABLE, str(error))
        return
    end = extent.seconds if example.frames is None else extent.frames
    if end is None:
        return
    step = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 1.0
    slack = NEAR * step if example.frames is None else 0
    notes.add(BEYOND, f"{example.id}, {example.video}", int((stamps >= end + slack).sum()))
    if len(stamps) > 1:  # one label is that of the whole clip
        notes.add(SHORT, f"{example.id}, {example.video}", int(stamps[-1] + NEAR * step < end))


def extent_of(path: Path) -> Extent:
    """Frames and seconds of the picture, as the header states them. MediaError where the file cannot be opened."""
    from avfer.media import opened, picture_stream

    with opened(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return Extent(None, None)
        length = stream.duration
        seconds = None if length is None or stream.time_base is None else float(length * stream.time_base)
        return Extent(stream.frames or None, seconds)
