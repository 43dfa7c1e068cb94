"""Decode the frames of a clip again, exactly as the pipeline did that made its table."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from avfer.errors import ConfigError
from avfer.pipeline_builder import stage_options
from avfer.pipeline_config import parse_pipeline
from avfer.stages.decode import DecodeVideo
from avfer.types import Clip, FrameBatch, Span

FRAME_BYTES = 48_000_000  # decoded frames in memory at once
PART_OPTIONS = ("reader", "start_at", "stop_at", "sequence_fps")  # of decode_video, none that thins frames out


def options_of_stage(metadata: Mapping[str, str], use: str, kind: type) -> dict[str, Any]:
    """Return the stated options of the first stage of one kind in the pipeline that made a table.

    metadata: of the table; use: name of the stage in the catalog, "decode_video"; kind: its class. Empty if there is no
    such stage, or if the pipeline cannot be read, as one of another version of avfer.
    """
    with suppress(ConfigError):
        for line in parse_pipeline(metadata.get("pipeline", ""), "pipeline").stages:
            if line.use == use:
                return stage_options(line, kind)
    return {}


def clip_decoder(metadata: Mapping[str, str]) -> DecodeVideo:
    """Return the stage `decode_video` of the pipeline that made a table, for all frames of the part that it read."""
    options = options_of_stage(metadata, "decode_video", DecodeVideo)
    return DecodeVideo(**{name: options[name] for name in PART_OPTIONS if name in options})


def decoded_batches(clip: Path, decoder: DecodeVideo) -> Iterator[FrameBatch]:
    """Yield the frames of a clip in batches of FRAME_BYTES, at least one frame each; the last one has `clock.last`."""
    state, last = decoder.start(), False
    while not last:
        state, frames = decoder.step(state, Span(Clip(clip), 0.0, math.inf, FRAME_BYTES))
        yield frames
        last = frames.clock.last
