"""Spans of a clip: which of them are empty, and so pass no later stage."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avfer import pipeline as module
from avfer.pipeline import load
from avfer.pipeline_builder import Step
from avfer.rows import no_faces
from avfer.spans import AFTER_END, is_empty
from avfer.types import AudioBatch, Clock, FaceFeatures, FrameBatch
from tests.laws import assert_same

DEMO = Path(__file__).parent / "data" / "demo.mp4"


def clock(count: int, last: bool = False) -> Clock:
    return Clock(7, np.arange(count) / 25, np.zeros(count, bool), last)


def frames(count: int, last: bool = False) -> FrameBatch:
    return FrameBatch(clock(count, last), torch.zeros((count, 2, 2, 3), dtype=torch.uint8))


def features(count: int, last: bool = False) -> FaceFeatures:
    """The features of `count` frames without a face."""
    return FaceFeatures(no_faces(clock(count, last)), torch.zeros(0, 4))


SILENCE = AudioBatch(torch.zeros(1, 0), 16_000, 0.3, 4800, last=False)


@pytest.mark.parametrize(
    ("values", "empty"),
    [
        ([SILENCE, features(0)], True),
        ([frames(0), replace(SILENCE, last=True)], True),
        ([SILENCE, features(1)], False),
        ([SILENCE, features(0, last=True)], False),
        ([frames(1), features(0)], False),
        ([replace(SILENCE, samples=torch.zeros(1, 1)), features(0)], False),
        ([replace(SILENCE, gaps=((1.0, 90.0),)), features(0)], False),
        ([features(0), "a value of a user's stage"], False),
    ],
)
def test_a_span_is_empty_without_frames_faces_samples_gaps_and_the_end(values: list[Any], empty: bool) -> None:
    named = {str(number): value for number, value in enumerate(values)}
    assert is_empty(named | {AFTER_END: False}) == empty
    assert not is_empty(named | {AFTER_END: True})


def test_spans_between_two_key_frames_pass_no_network_and_change_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Counter[str]()
    advance = module._advance

    def counted(some: list[Step], states: dict[str, Any], values: dict[str, Any]) -> None:
        advance(some, states, values)
        steps[some[0].phase.name] += 1

    pipeline = load("vision", device="cpu", chunk=0.1)
    monkeypatch.setattr(module, "_advance", counted)
    found = pipeline.run(DEMO)
    assert steps["CROPS"] < steps["FRAMES"] / 3
    monkeypatch.setattr(module, "is_empty", lambda values: False)
    assert_same(pipeline.run(DEMO), found)
