"""A browser, and the page of a clip whose video is beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avfer.export.clip_report.html_report import HtmlReport
from tests.browser import browser
from tests.export.clip_report.opened_page import (
    RATE,
    SECONDS,
    talk_table,
)
from tests.media_maker import stripes, tone, write_clip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = np.tile(stripes(50, 120, 160), (3, 1, 1, 1))
    return write_clip(tmp_path_factory.mktemp("clip") / "talk.mp4", frames, RATE, tone(SECONDS))


@pytest.fixture(scope="module")
def page_file(clip: Path) -> Path:
    HtmlReport().write(talk_table(), clip, clip.with_name("talk.html"))
    return clip.with_name("talk.html")
