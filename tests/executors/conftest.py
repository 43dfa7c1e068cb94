"""The pipeline that harms its workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labelling.corpora import end_started
from tests.labelling.rough_stage import write_rough_pipeline


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    return write_rough_pipeline(tmp_path)


@pytest.fixture(autouse=True)
def no_run_outlives_its_test() -> Iterator[None]:
    yield
    end_started()
