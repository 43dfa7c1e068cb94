"""The pipeline: chunks, threads, devices, and the chunk law of the bundled pipelines."""

import pickle
import threading
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer import pipeline as module
from avfer.affect_track import AffectTrack
from avfer.errors import ConfigError, MediaError
from avfer.pipeline import Pipeline, load
from avfer.pipeline_builder import Phase, Step
from avfer.prefetch import THREAD_NAME
from avfer.stage import failing_stage
from avfer.stages.decode import DecodeVideo, VideoState
from avfer.torch_threads import torch_threads
from avfer.types import FrameBatch, Span
from tests.laws import assert_same
from tests.processes import avfer_threads
from tests.steady_stage import write_pipeline

DEMO = Path(__file__).parent / "data" / "demo.mp4"
TOY = """\
chunk: 0.7
stages:
  frames: {use: "tests.toy_stages:CountFrames", from: span, count: 30}
  sound: {use: "tests.toy_stages:Hum", from: span}
  raw: {use: "tests.toy_stages:TimeAsValence", from: frames}
  affect: {use: smooth_affect, from: raw, window: 0.5}
output: affect
"""


@pytest.fixture
def toy(tmp_path: Path) -> Pipeline:
    (tmp_path / "toy.yaml").write_text(TOY)
    return load(tmp_path / "toy.yaml")


def with_chunk(pipeline: Pipeline, chunk: float) -> Pipeline:
    """Set the seconds of a chunk and return the pipeline."""
    pipeline.spec = replace(pipeline.spec, chunk=chunk)
    return pipeline


def test_every_frame_is_output_once_and_in_order(toy: Pipeline) -> None:
    track = toy.run(DEMO)
    assert track.faces.frames.tolist() == list(range(30))
    assert track.clock.last
    assert track.valence[15] == pytest.approx(0.15)


@pytest.mark.parametrize("chunk", [0.05, 0.3, 1.0, 100.0])
def test_chunks_change_no_value_of_a_toy_pipeline(toy: Pipeline, chunk: float) -> None:
    whole = toy.run(DEMO)
    assert_same(with_chunk(toy, chunk).run(DEMO), whole)


def test_parts_follow_each_other_without_a_gap(toy: Pipeline) -> None:
    parts = list(toy.stream(DEMO))
    assert len(parts) > 3
    assert [p.clock.first for p in parts[1:]] == [p.clock.stop for p in parts[:-1]]
    assert [p.clock.last for p in parts] == [False] * (len(parts) - 1) + [True]


def test_a_stream_with_a_baseline_is_refused_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    with pytest.raises(ConfigError, match=r"baseline: the resting values need the whole clip; use run\(\)"):
        load(tmp_path / "toy.yaml", baseline="low").stream(DEMO)


@pytest.mark.parametrize("max_threads", [1, 3])
@pytest.mark.parametrize(
    ("stage", "before", "after"),
    [
        ("frames", "count: 30", "count: 30, fails_at: 20"),
        ("raw", "TimeAsValence", "FailsLate"),
        ("affect", "use: smooth_affect, from: raw, window: 0.5", 'use: "tests.toy_stages:RowsFailLate", from: raw'),
    ],
)
def test_an_error_in_any_thread_reaches_the_caller(
    tmp_path: Path, stage: str, before: str, after: str, max_threads: int
) -> None:
    assert before in TOY
    (tmp_path / "toy.yaml").write_text(TOY.replace(before, after))
    pipeline, parts = load(tmp_path / "toy.yaml", max_threads=max_threads), list[AffectTrack]()
    with pytest.raises(ValueError, match="the disk is on fire") as caught:
        parts.extend(pipeline.stream(DEMO))
    assert failing_stage(caught.value) == stage
    assert avfer_threads() == []


def test_a_stage_that_returns_another_type_than_it_declares_is_named(tmp_path: Path) -> None:
    forgetful = '"tests.toy_stages:ForgetsToReturn", from: raw'
    (tmp_path / "toy.yaml").write_text(TOY.replace("smooth_affect, from: raw, window: 0.5", forgetful))
    with pytest.raises(TypeError, match=r"ForgetsToReturn returned NoneType, but .* AffectTrack") as caught:
        load(tmp_path / "toy.yaml").run(DEMO)
    assert failing_stage(caught.value) == "affect"


def test_a_pipeline_is_pickled_and_copied_with_its_options(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    pipeline = load(tmp_path / "toy.yaml", torch.device("cpu"), max_threads=1, **{"affect.window": 0.9})
    (tmp_path / "toy.yaml").unlink()
    for again in (pickle.loads(pickle.dumps(pipeline)), deepcopy(pipeline)):
        assert again.spec == pipeline.spec and again.device == pipeline.device
        assert_same(again.run(DEMO), pipeline.run(DEMO))
        assert again._computing.acquire() and not again._computing.acquire(blocking=False)


@pytest.mark.parametrize("max_threads", [1, 2])
def test_no_more_steps_run_at_once_than_threads_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_threads: int
) -> None:
    running, counts, advance = list[int](), set[int](), module._advance  # pyright: ignore[reportPrivateUsage]

    def counted(*arguments: Any) -> None:
        running.append(1)
        time.sleep(0.02)  # as a network would take
        counts.add(len(running))
        advance(*arguments)
        running.pop()

    monkeypatch.setattr(module, "_advance", counted)
    (tmp_path / "toy.yaml").write_text(TOY)
    track = load(tmp_path / "toy.yaml", max_threads=max_threads).run(DEMO)
    assert max(counts) == max_threads
    assert track.faces.frames.tolist() == list(range(30))


def test_a_wrong_number_of_threads_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    with pytest.raises(ConfigError, match=r"max_threads: must be in \[1, 256\], got 0"):
        load(tmp_path / "toy.yaml", max_threads=0)


def test_a_closed_stream_ends_its_threads(toy: Pipeline) -> None:
    stream = toy.stream(DEMO)
    next(stream)
    assert set(avfer_threads()) == {THREAD_NAME}
    stream.close()
    assert avfer_threads() == []


def test_few_spans_are_decoded_after_the_end_of_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = list[int]()  # frames of each step
    step = DecodeVideo.step

    def counted(stage: DecodeVideo, state: VideoState, span: Span) -> tuple[VideoState, FrameBatch]:
        state, batch = step(stage, state, span)
        sizes.append(len(batch.clock))
        return state, batch

    monkeypatch.setattr(DecodeVideo, "step", counted)
    parts = load(write_pipeline(tmp_path), device="cpu", chunk=2.0).stream(DEMO)
    next(parts)
    time.sleep(0.3)  # the decoding thread runs ahead meanwhile
    frames = sum(len(part.clock) for part in parts)
    assert frames == sum(sizes) - sizes[0] > 0
    assert 0 < sizes.count(0) <= 4  # for each of two threads one that waits and one that waits for room


def test_one_pipeline_processes_two_clips_at_once_without_mixing_them(toy: Pipeline) -> None:
    first, second = toy.stream(DEMO), toy.stream(DEMO)
    parts = [(a, b) for a, b in zip(first, second, strict=True)]
    for a, b in parts:
        assert_same(a, b)


def test_the_settings_of_torch_are_restored_between_parts(toy: Pipeline) -> None:
    before = torch.get_num_threads()
    for _ in toy.stream(DEMO):
        assert torch.get_num_threads() == before and not torch.is_inference_mode_enabled()


def test_a_worker_keeps_its_torch_threads_while_the_caller_uses_others(
    toy: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, counts, advance = threading.Event(), list[int](), module._advance  # pyright: ignore[reportPrivateUsage]

    def counted(steps: list[Step], states: dict[str, Any], values: dict[str, Any]) -> None:
        advance(steps, states, values)
        if steps[0].phase is Phase.FRAMES and (counts or outside.wait(10)):
            counts.append(torch.get_num_threads())

    def first_step_is_free(steps: list[Step], states: dict[str, Any], values: dict[str, Any]) -> None:
        advance(steps, states, values)
        if steps[0].phase is Phase.FRAMES:
            monkeypatch.setattr(module, "_advance", counted)

    monkeypatch.setattr(module, "_advance", first_step_is_free)
    with torch_threads(toy.spec.threads + 1):
        for _ in toy.stream(DEMO):
            outside.set()
            time.sleep(0.05)
    assert set(counts) == {toy.spec.threads}


def test_the_output_may_be_a_value_that_another_stage_reads(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY.replace("output: affect", "output: raw"))
    assert len(load(tmp_path / "toy.yaml").run(DEMO)) == 30


def test_a_missing_clip_is_an_error(toy: Pipeline) -> None:
    with pytest.raises(MediaError, match=r"nowhere\.mp4"):
        toy.run("nowhere.mp4")


@pytest.mark.parametrize("name", ["aver", "vision", "voice"])
@settings(max_examples=2, deadline=None)
@given(chunk=st.floats(0.11, 6.0))
def test_chunks_change_no_value_of_a_bundled_pipeline(name: str, chunk: float) -> None:
    pipeline = load(name, device="cpu")
    whole = pipeline.run(DEMO)
    other = with_chunk(pipeline, chunk).run(DEMO)
    assert_same(replace(other, source=None), replace(whole, source=None))


def test_the_demo_smiles_with_higher_valence_and_happiness() -> None:
    """The face is neutral in the first second and smiles about the third."""
    track = load("vision", device="cpu").run(DEMO)
    happiness = track.expressions[:, track.classes.index("happiness")]
    times = track.faces.times
    neutral, smile = times < 0.8, (times > 2.2) & (times < 2.8)
    assert happiness[smile].mean() > happiness[neutral].mean() + 0.3
    assert track.valence[smile].mean() > track.valence[neutral].mean() + 0.2
    assert np.isfinite(track.valence).all()
