"""The table of a playable page, and what a user does with the page in a browser."""

from typing import Any

import numpy as np
import pyarrow as pa

from tests.browser import OpenPage
from tests.export.tracks import make_track, with_measures

SECONDS, RATE = 6, 25
FRAME = 1 / RATE
COLUMNS = (
    "au01",
    "au12",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "gaze_yaw_deg",
    "gaze_pitch_deg",
    "quality",
    "eye_closed",
)
READY = "() => document.querySelector('#panels canvas') && !document.querySelector('#screen').hidden"
DRAWN = "() => document.querySelector('#panels canvas') && window.avferReport.group.charts.every(chart => !chart.stale)"


def talk_table(people: int = 2) -> pa.Table:
    """Return a table of 6 s at 25 Hz; the second person is there from 2 to 4 s only, and the voice is known."""
    count = SECONDS * RATE
    rows = [(frame, track) for frame in range(count) for track in range(people) if track != 1 or 50 <= frame < 100]
    table = with_measures(make_track(rows, count), COLUMNS)
    speech = np.linspace(0, 1, len(table)).astype(np.float32)
    return table.append_column("speech", pa.array(speech)).append_column("speaking", pa.array(speech[::-1]))


def click_at(opened: OpenPage, seconds: float, chart: int = 2) -> None:
    """Click on the curve of a chart at a time."""
    box = opened.page.locator(".u-over").nth(chart).bounding_box()
    view = opened.page.evaluate("() => window.avferReport.group.view")
    share = (seconds - view["min"]) / (view["max"] - view["min"])
    opened.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def player(opened: OpenPage, name: str) -> Any:
    return opened.page.evaluate(f"() => window.avferReport.player.{name}")


def view(opened: OpenPage) -> tuple[float, float]:
    found = opened.page.evaluate("() => window.avferReport.group.view")
    return found["min"], found["max"]


def playhead(opened: OpenPage, chart: int = 2) -> float:
    """Return the time (s) at the playhead of a chart, as it is on the screen."""
    line, plot = opened.page.locator(".u-over .playhead").nth(chart), opened.page.locator(".u-over").nth(chart)
    left, box = line.bounding_box(), plot.bounding_box()
    start, stop = view(opened)
    return start + (left["x"] + 1 - box["x"]) / box["width"] * (stop - start)


def colour_count(opened: OpenPage, canvas: str, colour: str) -> int:
    """Return how many pixels of a canvas have a colour such as "#0072b2"."""
    return opened.page.evaluate(
        """([selector, colour]) => {
            const canvas = document.querySelector(selector), pen = canvas.getContext("2d");
            const parts = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
            const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let k = 0; k < data.length; k += 4) count += parts.every((part, c) => data[k + c] === part);
            return count;
        }""",
        [canvas, colour],
    )
