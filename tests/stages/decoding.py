"""Decode whole clips in tests, cut into spans anywhere."""

import csv
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from avfer.stages.decode import DecodeVideo
from avfer.stages.decode_audio import DecodeAudio
from avfer.types import AudioBatch, Clip, FrameBatch, Span
from tests.media_maker import number_of

WHOLE = [1e9]
CLIPS = Path(__file__).parents[2] / "../shared/data/clips"
VARIABLE = [0.0, 0.04, 0.2, 0.21, 0.5, 0.6, 0.7, 0.9, 1.1, 1.2, 1.21, 1.4]


def decode_video(path: Path, cuts: list[float] = WHOLE, reader: str = "pyav") -> list[FrameBatch]:
    """Return the batches for spans that end at these times (s), then for one that ends the clip."""
    stage, parts = DecodeVideo(reader), []
    state = stage.start()
    for start, stop in pairwise([0.0, *cuts, *WHOLE]):
        state, part = stage.step(state, Span(Clip(path), start, stop))
        parts.append(part)
    assert parts[-1].clock.last
    return parts


def decode_audio(path: Path, cuts: list[float] = WHOLE, sample_rate: int = 16000) -> list[AudioBatch]:
    """Return the batches for spans that end at these times (s), then for one that ends the clip."""
    stage, parts = DecodeAudio(sample_rate), []
    state = stage.start()
    for start, stop in pairwise([0.0, *cuts, *WHOLE]):
        state, part = stage.step(state, Span(Clip(path), start, stop))
        parts.append(part)
    assert parts[-1].last and parts[-1].clip_stop is not None
    return parts


def frames_of(parts: list[FrameBatch]) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Return times (T,), corrupt marks (T,) and pixels (T, H, W, 3) of a clip; assert that no index is missing."""
    assert [part.clock.first for part in parts] == [0, *np.cumsum([len(part.clock) for part in parts])[:-1]]
    times, corrupt = ([getattr(part.clock, name) for part in parts] for name in ("times", "corrupt"))
    return np.concatenate(times), np.concatenate(corrupt), torch.cat([part.pixels for part in parts])


def sound_of(parts: list[AudioBatch]) -> np.ndarray:
    """Return all samples: (S,) float32; assert that index and start of every batch fit."""
    firsts = np.cumsum([0, *(part.samples.shape[1] for part in parts)])[:-1]
    assert [part.first for part in parts] == firsts.tolist()
    begin = parts[-1].start - parts[-1].first / parts[-1].sample_rate
    for part in parts:
        if part.samples.shape[1]:
            assert part.start == pytest.approx(begin + part.first / part.sample_rate)
    return torch.cat([part.samples for part in parts], 1)[0].numpy()


def numbers(pixels: torch.Tensor) -> list[int]:
    """Return the numbers that `stripes` drew on the frames.   pixels: (T, H, W, 3) uint8"""
    return [number_of(frame) for frame in pixels.numpy()]


def turn(source: Path, path: Path, degrees: int, *, mirror: bool) -> Path:
    """Copy a video that a player must rotate counter-clockwise and then, if stated, mirror left to right."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        copy.set_display_rotation(degrees, hflip=mirror)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    return path


def real_clips() -> list[dict[str, str]]:
    """Return the rows of the index of the real clips, none if the clips are missing."""
    index = CLIPS / "index.csv"
    return list(csv.DictReader(index.read_text(encoding="utf-8").splitlines())) if index.exists() else []


needs_real_clips = pytest.mark.skipif(not real_clips(), reason="the real clips of ../shared/data are missing")
