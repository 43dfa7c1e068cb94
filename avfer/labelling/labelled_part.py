"""Which part of every clip a run has labelled: `avfer label --start --stop`."""

import math
from contextlib import suppress
from typing import NamedTuple

from avfer.errors import ConfigError
from avfer.option_types import parse_seconds
from avfer.pipeline_config import SHORT_NAMES, parse_pipeline


class LabelledPart(NamedTuple):
    """The part of every clip that was labelled, in seconds."""

    start: float = 0.0
    stop: float = math.inf  # infinity: the end of the clip

    def length(self, duration: float) -> float:
        """Return the labelled length of a clip of `duration` seconds, in seconds."""
        return max(0.0, min(duration, self.stop) - self.start)


def labelled_part(pipeline: str) -> LabelledPart:
    """Return the part of the clips that a pipeline reads: `avfer label --start --stop`, else all.

    pipeline: text of its YAML; one that this avfer cannot read counts as reading whole clips.
    """
    with suppress(ConfigError):
        (start, uses), (stop, _) = SHORT_NAMES["start"], SHORT_NAMES["stop"]
        for stage in parse_pipeline(pipeline, "pipeline").stages:
            if stage.use in uses:
                last = stage.options.get(stop)
                first = parse_seconds(stage.options.get(start, 0.0), start)
                return LabelledPart(first, math.inf if last is None else parse_seconds(last, stop))
    return LabelledPart()
