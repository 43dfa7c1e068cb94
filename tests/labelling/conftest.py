"""Labelling without processes, for the rules; and the small pipelines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avfer.labelling import run
from avfer.labelling.recipe import Examination, Recipe
from avfer.labelling.status import Corpus
from avfer.pipeline_config import PipelineSpec
from tests.labelling.corpora import Here, end_started
from tests.labelling.rough_stage import write_rough_pipeline
from tests.steady_stage import write_pipeline


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path)


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    return write_rough_pipeline(tmp_path)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """From now on everything runs in this process."""
    executor = Here()

    def examine(spec: PipelineSpec, device: str) -> Recipe:
        return Examination(device).load()(spec)

    monkeypatch.setattr(run, "examine", examine)
    monkeypatch.setattr(run, "choose_executor", lambda *_: executor)
    return executor


@pytest.fixture
def label(here: Here, steady: Path, tmp_path: Path) -> Callable[..., Corpus]:
    """`label("corpus")` labels tmp_path/corpus into tmp_path/out with the steady pipeline, in this process."""

    def call(*inputs: str, **options: Any) -> Corpus:
        here.given.clear()
        return run.label(steady, [str(tmp_path / text) for text in inputs], tmp_path / "out", device="cpu", **options)

    return call


@pytest.fixture(autouse=True)
def no_run_outlives_its_test() -> Iterator[None]:
    yield
    end_started()
