"""A pipeline without a network, a clip of FRAMES frames and a file that is no clip."""

from pathlib import Path

import pytest

from tests.cli.outputs import FRAMES
from tests.media_maker import stripes, write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "talk.mp4", stripes(FRAMES))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.mp4"
    path.write_text("this is no film")
    return path
