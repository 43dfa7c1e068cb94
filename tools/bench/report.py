"""Measure the playable report of a long clip: size, time to make it, first paint and panning in headless Chromium.

`python -m tools.bench.report [--hours 1] [--people 1] [--keep PAGE.html]` makes a table of 25 rows a second and person
with all columns, writes its page without a video, opens it in Chromium and prints what a user waits for; `--clips N`
does so for the report of a corpus. It needs `pip install 'avfer[test]'` and a Chromium (CHROMIUM=path, else the one on
the path).
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from avfer.export.clip_report.html_report import HtmlReport
from avfer.labelling.corpus_report.corpus_clips import CorpusClips
from avfer.labelling.corpus_report.corpus_page import render_corpus
from avfer.labelling.status import CorpusStatus

RATE = 25.0  # Hz
EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
UNITS = ("01", "02", "04", "05", "07", "10", "12", "14", "15", "17", "18", "20", "22", "24", "25", "26", "28", "45")
ANGLES = ("yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg")
FIRST_PAINT = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return paint ? paint.startTime : null;
}"""
ALL_DRAWN = "() => window.avferReport.group.charts.every((chart) => !chart.stale)"
PLACES = (0.0, 0.5, 1.0)  # shares of the way from the top of the page to the last curve
SCROLL = """async (share) => {
  const last = [...document.querySelectorAll("#panels canvas")].pop().getBoundingClientRect().bottom + scrollY;
  scrollTo(0, share * Math.max(0, last - innerHeight));
  await new Promise((done) => setTimeout(done, 300));
}"""
FRAME = "ProxyMain::BeginMainFrame"  # event of a trace: scripts, layout and drawing of a frame
PAN = """async () => {
  const group = window.avferReport.group, span = group.limits.max - group.limits.min, times = [];
  group.show(group.limits.min, group.limits.min + span / 4);
  for (let step = 0; step < 60; step++) {
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    group.show(group.limits.min + step * span / 100, group.limits.min + step * span / 100 + span / 4);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}"""


SEARCH = """(text) => {
  const field = document.querySelector(".search"), start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input"));
  return performance.now() - start;
}"""


def make_table(hours: float, people: int, seed: int = 0) -> pa.Table:
    """Return a table of `people` faces at RATE with the columns of `aver`; values wander and have gaps."""
    random = np.random.default_rng(seed)
    instants = round(hours * 3600 * RATE)
    rows = instants * people
    frame, track = np.repeat(np.arange(instants), people), np.tile(np.arange(people), instants)

    def wander(low: float, high: float) -> np.ndarray:
        steps = random.normal(0, 0.06, (instants, people)).cumsum(0)
        waves = np.sin(steps) + random.normal(0, 0.03, (instants, people))
        return (low + (high - low) * (waves.clip(-1, 1) + 1) / 2).astype(np.float32).reshape(rows)

    lost = (frame // 500) % 17 == track % 17  # 20 s without values now and then
    columns: dict[str, pa.Array] = {
        "clip": pa.array(["hour.mp4"] * rows),
        "frame": pa.array(frame, pa.int64()),
        "time_s": pa.array(frame / RATE),
        "track": pa.array(track, pa.int32()),
        "person": pa.array(track, pa.int32()),
    }
    for name, place in (("face_x1", 100), ("face_y1", 80), ("face_x2", 260), ("face_y2", 280)):
        columns[name] = pa.array(place + wander(-20, 20))
    for name in ("valence", "arousal"):
        columns[name] = pa.array(wander(-1, 1), mask=lost)
    codes = ((wander(0, 1) * 7.99).astype(int) // 2 * 2) % len(EXPRESSIONS)
    columns["expression"] = pa.array(np.array(EXPRESSIONS)[codes])
    columns |= {f"p_{name}": pa.array(wander(0, 1)) for name in EXPRESSIONS}
    columns |= {f"au{unit}": pa.array(wander(0, 1) ** 2, mask=lost) for unit in UNITS}
    columns |= {name: pa.array(wander(-30, 30), mask=lost) for name in ANGLES}
    columns |= {name: pa.array(wander(0, 1)) for name in ("quality", "eye_closed", "speech", "speaking")}
    columns["reason"] = pa.nulls(rows, pa.string())
    facts = {"clip": "hour.mp4", "version": "bench", "au_scale": "activation"}
    return pa.table(columns).replace_schema_metadata(facts)


def measure_page(page: Path) -> dict[str, float]:
    """Return first paint, complete charts and the frames of pans of a page, in ms.

    The page is panned at its top, in its middle and at the end of its curves, as other panels are drawn there. `frame`
    is the time from a move to the end of its drawing, up to 16.7 ms of which are waiting for the screen; `main thread`
    is the CPU time that the page takes for it, which other work on the machine hardly changes.
    """
    with open_tab() as (browser, tab):
        start, started = time.perf_counter(), _cpu_seconds()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#panels canvas")
        complete = 1000 * (time.perf_counter() - start)
        loaded = _cpu_seconds()
        tab.wait_for_function(ALL_DRAWN)
        paint = tab.evaluate(FIRST_PAINT)
        frames, used = list[float](), 0.0
        browser.start_tracing(page=tab, categories=["cc", "toplevel"])
        for share in PLACES:
            tab.evaluate(SCROLL, share)
            before = _cpu_seconds()
            frames += tab.evaluate(PAN)
            used += _cpu_seconds() - before
        threads = sorted(main_thread_frames(json.loads(browser.stop_tracing())))[-len(frames) :]  # others draw nothing
    return {
        "first paint ms": paint,
        "charts complete ms": complete,
        "charts complete: CPU ms": 1000 * (loaded - started),
        "pan: median frame ms": float(np.median(frames)),
        "pan: longest frame ms": max(frames),
        "pan: median main thread CPU ms": float(np.median(threads)),
        "pan: longest main thread CPU ms": max(threads),
        "pan: CPU ms a frame": 1000 * used / len(frames),
    }


def measure_corpus(page: Path) -> dict[str, float]:
    """Return first paint and the longest of some searches of the report of a corpus, in ms."""
    with open_tab() as (_, tab):
        tab.goto(page.as_uri())
        tab.wait_for_selector(".paged tbody tr")
        times = [tab.evaluate(SEARCH, text) for text in ("", "subject_10", "session3 site1") * 3]
        return {"first paint ms": tab.evaluate(FIRST_PAINT), "longest search ms": max(times)}


def make_corpus(clips: int) -> str:
    """Return the report of a corpus of labelled clips."""
    corpus = CorpusClips(CorpusStatus(clips=clips, done=clips))
    for number in range(clips):
        name = f"site{number % 7}/subject_{number % 211:03d}/session{number % 5}/recording_{number:05d}.mp4"
        share = number * 37 % 1000 / 1000
        means = (round(share - 0.5, 4), round(0.5 - share, 4), "happiness", 0.5321, 0.8765)
        corpus.rows.append([name, "done", share, share, 30.04, 751, 1, *means, f"./labels/reports/{name}.html"])
    return render_corpus(corpus, "labels")


@contextmanager
def open_tab() -> Generator[tuple[Any, Any]]:
    """Yield a browser and an empty page of it, of the size of a small desktop."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser, browser.new_page(viewport={"width": 1280, "height": 900})
        finally:
            browser.close()


def main_thread_frames(trace: dict[str, Any]) -> list[float]:
    """Return the CPU time (ms) that the main thread of a page took for each frame of a trace of Chromium."""
    events = trace["traceEvents"]
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"}
    return [
        event["tdur"] / 1000
        for event in events
        if event["name"] == FRAME and "tdur" in event and names[event["pid"], event["tid"]] == "CrRendererMain"
    ]


def _cpu_seconds() -> float:
    """Return the CPU time of all processes of the browser, which other work on the machine does not change."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(used.user + used.system for used in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--clips", type=int, help="measure the report of a corpus of so many clips instead")
    parser.add_argument("--keep", type=Path, help="keep the page here")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        page = (options.keep or Path(folder) / "hour.html").resolve()
        start = time.perf_counter()
        if options.clips:
            page.write_text(make_corpus(options.clips), encoding="utf-8")
        else:
            HtmlReport().write(make_table(options.hours, options.people), Path("hour.mp4"), page)
        figures = {"made in s": time.perf_counter() - start, "MB": page.stat().st_size / 1e6}
        figures |= measure_corpus(page) if options.clips else measure_page(page)
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
