"""The pipeline whose clips harm their workers, and the check that no process and no thread is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labelling.corpora import kill_started
from tests.labelling.rough_stage import write_rough_pipeline
from tests.processes import nothing_left_behind


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    return write_rough_pipeline(tmp_path)


@pytest.fixture(autouse=True)
def no_process_and_no_thread_outlives_its_test() -> Iterator[None]:
    with nothing_left_behind():
        yield
        kill_started()
