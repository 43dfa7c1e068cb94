"""Labelling with the small pipelines, and the check that no process or thread is left."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avfer.labelling import label_corpus
from avfer.labelling.status import CorpusStatus
from tests.labelling.corpora import CLIPS, InProcess, kill_started, write_corpus
from tests.labelling.rough_stage import write_rough_pipeline
from tests.processes import nothing_left_behind


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    return write_rough_pipeline(tmp_path)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", *CLIPS)


@pytest.fixture
def label(in_process: InProcess, steady: Path, tmp_path: Path) -> Callable[..., CorpusStatus]:
    """`label("corpus")` labels tmp_path/corpus into tmp_path/out with the steady pipeline, in this process."""

    def call(*inputs: str, **options: Any) -> CorpusStatus:
        in_process.given.clear()
        return label_corpus.label(
            steady, [str(tmp_path / text) for text in inputs], tmp_path / "out", device="cpu", **options
        )

    return call


@pytest.fixture(autouse=True)
def no_process_and_no_thread_outlives_its_test() -> Iterator[None]:
    with nothing_left_behind():
        yield
        kill_started()
