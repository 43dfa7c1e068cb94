"""The pipeline that harms its workers."""

from pathlib import Path

import pytest

from tests.labelling.rough_stage import write_rough_pipeline


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    return write_rough_pipeline(tmp_path)
