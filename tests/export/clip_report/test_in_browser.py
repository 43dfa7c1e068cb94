"""The playable report in a real browser: video, cursor, click, zoom, keyboard, people, and hostile texts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from avfer.export.clip_report.html_report import HtmlReport
from avfer.export.colours import line_colour
from avfer.export.person_rows import clips_of
from avfer.provenance import Provenance
from avfer.types import NO_TRACK
from tests.browser import WIDTHS, OpenPage, browser, open_page
from tests.export.exporter_tables import HOSTILE
from tests.export.tracks import CLASSES, make_track, with_measures
from tests.media_maker import stripes, tone, write_clip

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

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


def talk_table(people: int = 2) -> pa.Table:
    """Return a table of 6 s at 25 Hz; the second person is there from 2 to 4 s only, and the voice is known."""
    count = SECONDS * RATE
    rows = [(frame, track) for frame in range(count) for track in range(people) if track != 1 or 50 <= frame < 100]
    table = with_measures(make_track(rows, count), COLUMNS)
    speech = np.linspace(0, 1, len(table)).astype(np.float32)
    return table.append_column("speech", pa.array(speech)).append_column("speaking", pa.array(speech[::-1]))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = np.tile(stripes(50, 120, 160), (3, 1, 1, 1))
    return write_clip(tmp_path_factory.mktemp("clip") / "talk.mp4", frames, RATE, tone(SECONDS))


@pytest.fixture(scope="module")
def page_file(clip: Path) -> Path:
    HtmlReport().write(talk_table(), clip, clip.with_name("talk.html"))
    return clip.with_name("talk.html")


@pytest.fixture
def opened(chromium: Any, page_file: Path) -> Iterator[OpenPage]:
    """The page of the clip with its video loaded; no test of it may leave an error."""
    with open_page(chromium, page_file) as page:
        page.page.wait_for_function(READY)
        yield page
        assert page.errors == []


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


def test_the_page_requests_nothing_but_its_video(opened, clip):
    assert {address.partition("#")[0] for address in opened.requests if not address.startswith("data:")} == {
        clip.as_uri()
    }
    assert opened.page.locator("h1").text_content() == "talk.mp4"
    assert opened.page.locator("#video-notes p").count() == 0


def test_a_click_on_a_curve_seeks_the_video_within_a_frame(opened):
    click_at(opened, 3.0)
    opened.page.wait_for_function("() => !document.querySelector('video').seeking")
    assert opened.page.evaluate("() => document.querySelector('video').currentTime") == pytest.approx(3.0, abs=FRAME)
    assert player(opened, "time") == pytest.approx(3.0, abs=FRAME) and playhead(opened) == pytest.approx(3.0, abs=FRAME)
    assert opened.page.locator("#clock").text_content().startswith("0:03.0")


def test_playing_moves_the_cursor_of_every_curve_with_the_video(opened):
    opened.page.locator("#speed").select_option("0.25")  # so that a busy machine pauses it before its end
    opened.page.mouse.click(*middle(opened, "#play"))
    opened.page.wait_for_function("() => document.querySelector('video').currentTime > 0.3")
    opened.page.keyboard.press(" ")  # on the button, which has the focus: pause
    opened.page.wait_for_function("() => document.querySelector('video').paused && !window.avferReport.player.playing")
    time = opened.page.evaluate("() => document.querySelector('video').currentTime")
    assert 0.3 < time < SECONDS and player(opened, "time") == pytest.approx(time, abs=FRAME)
    for chart in (0, 2, 3):
        assert playhead(opened, chart) == pytest.approx(player(opened, "time"), abs=0.02)


def test_a_part_of_a_clip_plays_to_its_end_and_not_on(chromium, tmp_path, clip):
    table = talk_table()
    times = table["time_s"].to_numpy()
    HtmlReport().write(table.filter(pa.array((times >= 1) & (times < 1.4))), clip, tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(READY)
        opened.page.keyboard.press(" ")
        opened.page.wait_for_function("() => document.querySelector('video').currentTime > 1.35")
        opened.page.wait_for_function("() => document.querySelector('video').paused", timeout=60_000)
        assert opened.page.evaluate("() => document.querySelector('video').currentTime") < SECONDS - 1
        assert player(opened, "time") == pytest.approx(1.4) and opened.errors == []


def middle(opened: OpenPage, selector: str) -> tuple[float, float]:
    box = opened.page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_drag_zooms_all_curves_and_a_double_click_shows_the_whole_clip(opened):
    box = opened.page.locator(".u-over").nth(2).bounding_box()
    y = box["y"] + 30
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
    opened.page.mouse.up()
    assert view(opened) == pytest.approx((1.5, 3.0), abs=0.1)
    assert player(opened, "time") == 0.0  # a drag does not seek
    ranges = "() => window.avferReport.group.charts.map(one => [one.plot.scales.x.min, one.plot.scales.x.max])"
    opened.page.wait_for_function("() => window.avferReport.group.charts.every(one => one.plot.scales.x.max < 4)")
    assert all(found == pytest.approx(view(opened)) for found in opened.page.evaluate(ranges))
    opened.page.mouse.dblclick(box["x"] + 100, y)
    assert view(opened) == pytest.approx((0.0, 6.0))


def test_the_keyboard_steps_zooms_chooses_and_plays(opened):
    keys = opened.page.keyboard
    keys.press("ArrowRight")
    assert player(opened, "time") == pytest.approx(FRAME)
    keys.press("Shift+ArrowRight")
    assert player(opened, "time") == pytest.approx(1 + FRAME)
    keys.press("ArrowLeft")
    assert player(opened, "time") == pytest.approx(1.0)
    keys.press("+")
    assert view(opened)[1] - view(opened)[0] == pytest.approx(3.0)
    keys.press("0")
    assert view(opened) == pytest.approx((0.0, 6.0))
    keys.press("End")
    assert player(opened, "time") == pytest.approx(6.0)
    keys.press("Home")
    keys.press("ArrowDown")
    opened.page.wait_for_selector(".lane.chosen:nth-child(2)")
    assert "track 1" in opened.page.locator(".lane.chosen button").text_content()
    keys.press(" ")
    opened.page.wait_for_function("() => !document.querySelector('video').paused")
    keys.press(" ")
    keys.press("m")
    assert opened.page.evaluate("() => document.querySelector('video').muted")


def test_spans_without_values_are_those_of_the_chosen_person(opened):
    spans = "() => missingSpans(clip, chosen, 'valence')"
    assert opened.page.evaluate(spans) == []
    opened.page.locator(".lane button").nth(1).click()
    opened.page.wait_for_selector(".lane.chosen:nth-child(2)")
    assert np.array(opened.page.evaluate(spans)) == pytest.approx(np.array([[0, 2], [4, 6]]), abs=1e-6)


def test_all_sections_are_on_the_page(opened):
    titles = opened.page.locator("h2").all_text_contents()
    for title in (
        "Valence and arousal",
        "Head pose, track 0",
        "Gaze, track 0",
        "Speech",
        "Quality and coverage",
        "Coverage",
        "Methods",
    ):
        assert title in titles, title
    assert any(title.startswith("Action units: activation") for title in titles)
    assert "@software{avfer" in opened.page.locator("#bibtex").text_content()
    assert opened.page.locator("#expression-key li").count() == len(CLASSES) - 1  # surprise never is the most probable


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(chromium, page_file, width, scheme):
    with open_page(chromium, page_file, width, scheme) as opened:
        opened.page.wait_for_function(DRAWN)
        assert opened.scroll_width == width and opened.errors == []


def test_the_curves_take_the_colours_of_the_system_when_it_turns_dark(opened):
    before = opened.page.evaluate("() => window.avferReport.group.theme.ink")
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_function(
        "() => window.avferReport.group.theme.ink !== arguments[0]".replace("arguments[0]", repr(before))
    )


def test_twelve_tracks_are_all_shown_and_thirty_are_reached_by_pages_and_search(chromium, tmp_path):
    for count in (12, 30):
        crowd = make_track([(frame, track) for frame in range(20) for track in range(count)], 20)
        HtmlReport().write(crowd.to_table(), tmp_path / "gone.mp4", tmp_path / f"{count}.html")
    names = lambda page: page.locator(".lane strong").all_text_contents()  # noqa: E731
    with open_page(chromium, tmp_path / "12.html") as opened:
        opened.page.wait_for_function(DRAWN)
        assert names(opened.page) == [f"track {track}" for track in range(12)]
        assert not opened.page.locator("#people-controls").is_visible()
    with open_page(chromium, tmp_path / "30.html") as opened:
        opened.page.wait_for_function(DRAWN)
        listed = names(opened.page)
        while opened.page.locator("#people-after").is_enabled():
            opened.page.locator("#people-after").click()
            opened.page.wait_for_function(
                f"() => document.querySelector('.lane strong').textContent !== {listed[-12]!r}"
            )
            listed += names(opened.page)
        assert listed == [f"track {track}" for track in range(30)]
        opened.page.locator("#people-search").fill("track 27")
        opened.page.wait_for_function("() => document.querySelectorAll('.lane').length === 1")
        assert names(opened.page) == ["track 27"] and opened.errors == []


def test_a_clip_without_a_video_plays_on_a_clock_and_takes_a_chosen_file(chromium, tmp_path, clip):
    HtmlReport().write(talk_table(), tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        assert "gone.mp4' does not exist" in opened.page.locator("#video-notes").text_content()
        opened.page.keyboard.press(" ")
        opened.page.wait_for_function("() => window.avferReport.player.time > 0.3")
        opened.page.keyboard.press(" ")
        opened.page.locator("#video-file").set_input_files(str(clip))
        opened.page.wait_for_function(READY)
        click_at(opened, 3.0)
        found = "() => Math.abs(document.querySelector('video').currentTime - 3) < 0.05"
        opened.page.wait_for_function(found)
        assert opened.errors == [] and opened.requests[0].startswith("blob:")


def test_a_photograph_is_shown_with_the_values_of_its_faces_and_without_a_player(chromium, tmp_path, clip):
    Image.new("RGB", (160, 120), (200, 30, 30)).save(tmp_path / "face.jpg")
    picture = with_measures(make_track([(0, 0), (0, 1)], 1), COLUMNS)
    HtmlReport().write_tables([(picture, tmp_path / "face.jpg"), (talk_table(), clip)], tmp_path / "page.html")
    shown = "() => document.querySelector('.screen img')?.complete && document.querySelector('.face-values')"
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(shown)
        page = opened.page
        assert page.locator(".screen img").is_visible() and not page.locator(".transport").first.is_visible()
        assert page.locator(".face-values th img").count() == 2 and page.locator(".u-over").count() == 0
        assert page.locator(".face-values tr").nth(2).text_content().startswith("Valence+")
        page.locator(".face-values button").nth(1).click()
        page.wait_for_selector(".face-values th:nth-child(3) button[aria-pressed=true]")
        assert opened.scroll_width == 1280
        page.emulate_media(media="print")
        assert page.locator(".screen img").is_visible()
        page.emulate_media(media="screen")
        page.locator("#clip-after").click()
        page.wait_for_function(READY)
        assert page.locator("#play").is_visible() and page.locator("img").count() == 0 and opened.errors == []
        page.locator("#clip-before").click()
        page.wait_for_function(shown)
        assert not page.locator("#play").is_visible() and not page.locator("#people-table-section").is_visible()


def test_a_video_that_was_moved_after_the_page_was_made_is_a_message(chromium, tmp_path, clip):
    moved = tmp_path / "talk.mp4"
    moved.write_bytes(clip.read_bytes())
    HtmlReport().write(talk_table(), moved, tmp_path / "page.html")
    moved.unlink()
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_selector(".load-fault")
        assert "cannot show talk.mp4" in opened.page.locator(".load-fault").text_content()
        assert opened.page.locator("#choose-video").is_visible()


def test_an_embedded_video_plays_without_any_request(chromium, tmp_path, clip):
    HtmlReport("embed").write(talk_table(), clip, tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(READY)
        assert all(address.startswith(("blob:", "data:")) for address in opened.requests) and opened.errors == []


def test_hostile_texts_are_shown_as_text_and_run_nothing(chromium, tmp_path):
    source = Provenance(HOSTILE, pipeline="<script>alert(1)</script>", device="<img src=x onerror=alert(2)>")
    table = make_track([(frame, 1) for frame in range(9)], 9, source=source).to_table()
    HtmlReport().write(table, tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        assert opened.page.locator("h1").text_content() == HOSTILE
        assert "<script>alert(1)</script>" in opened.page.locator("#pipeline").text_content()
        assert "<img src=x onerror=alert(2)>" in opened.page.locator("#facts").text_content()
        assert opened.page.locator("img").count() == 0 and opened.errors == [] and opened.requests == []


def test_clips_of_a_page_are_chosen_from_a_list(chromium, tmp_path):
    tables = [make_track([(0, 1), (1, 1)], 2, source=Provenance(name)).to_table() for name in ("a.mp4", "b.mp4")]
    HtmlReport().write_tables([(table, tmp_path / "gone.mp4") for table in tables], tmp_path / "page.html")
    assert [len(clips_of(table)) for table in tables] == [1, 1]
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        opened.page.locator("#clip-after").click()
        opened.page.wait_for_function("() => document.querySelector('h1').textContent === 'b.mp4'")
        opened.page.wait_for_function(DRAWN)
        assert opened.page.locator("#clip-after").is_disabled() and opened.errors == []


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_without_rows_and_with_one_row_have_pages_without_errors(chromium, tmp_path, rows):
    table = make_track([(0, 1)], 1).to_table().slice(0, rows)
    HtmlReport().write(table, tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_selector("#lanes > *")
        assert opened.errors == [] and not opened.page.locator("#fault").is_visible()
        assert opened.page.locator(".lane").count() == rows


def test_a_window_that_changes_size_while_a_person_loads_leaves_no_error(opened):
    opened.page.evaluate("""async () => {
        clip = new ClipModel(report.clips[0]);
        await clip.load();
        chosen = clip.people[0];
        dispatchEvent(new Event("resize"));
    }""")


def test_values_that_scroll_into_view_are_those_at_the_cursor(opened):
    speech = opened.page.locator(".panel-head", has_text="Somebody speaks")
    opened.page.wait_for_function(DRAWN)
    for key, expected in (("End", 1.0), ("Home", 0.0)):
        opened.page.locator("h1").scroll_into_view_if_needed()
        opened.page.wait_for_function("() => !group.charts.at(-3).visible")
        opened.page.keyboard.press(key)
        speech.scroll_into_view_if_needed()
        opened.page.wait_for_function(
            """expected => {
                const heads = [...document.querySelectorAll(".panel-head")];
                const speech = heads.find(head => head.textContent.startsWith("Somebody")).lastChild.textContent;
                return speech && Math.abs(Number(speech) - expected) < 0.01;
            }""",
            arg=expected,
            timeout=60_000,
        )


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


def test_a_value_without_neighbours_is_drawn_as_a_point(chromium, tmp_path):
    HtmlReport().write(with_measures(make_track([(0, 0)], 1), COLUMNS), tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        assert colour_count(opened, "#panels canvas", "#0072b2") > 8 and opened.errors == []


def test_spans_without_values_are_those_of_each_curve(chromium, tmp_path):
    table = with_measures(make_track([(frame, 0) for frame in range(100)], 100), COLUMNS)
    for name, known in (("arousal", slice(0, 0)), ("pitch_deg", slice(50, None)), ("au12", slice(0, 50))):
        values = np.full(100, np.nan, np.float32)
        values[known] = table[name].to_numpy()[known]
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values, from_pandas=True))
    HtmlReport().write(table, tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        found = opened.page.evaluate("""() => {
            const parts = [1, 3, 5].map(at => parseInt(group.theme.ground.slice(at, at + 2), 16));
            const isHatched = ({ ctx, bbox }, share) => {
                const x = Math.round(bbox.left + share * bbox.width) - 8;
                const { data } = ctx.getImageData(x, bbox.top + bbox.height - 8, 16, 8);
                let count = 0;
                for (let k = 0; k < data.length; k += 4)
                    count += parts.every((part, c) => Math.abs(data[k + c] - part) < 3);
                return count > 20;
            };
            const title = ({ host }) => host.parentNode.querySelector("h3").textContent;
            return panels.map(chart => [title(chart), isHatched(chart.plot, 0.25), isHatched(chart.plot, 0.75)]);
        }""")
        assert found[:5] == [
            ["Valence", False, False],
            ["Arousal", True, True],
            ["track 0", False, True],  # the lowest action unit
            ["Yaw", False, False],
            ["Pitch", True, False],
        ]


def test_the_chosen_person_is_drawn_on_top_and_its_button_keeps_the_focus(chromium, tmp_path):
    table = with_measures(make_track([(frame, track) for frame in range(9) for track in range(3)], 9), COLUMNS)
    same = pa.array(np.zeros(len(table), np.float32))
    for name in ("valence", "arousal"):
        table = table.set_column(table.column_names.index(name), name, same)
    HtmlReport().write(table, tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        assert colour_count(opened, "#plane", "#0072b2") > 50 and colour_count(opened, "#plane", "#009e73") == 0
        opened.page.locator(".lane button").nth(1).focus()
        opened.page.keyboard.press("Enter")
        opened.page.wait_for_function("() => document.activeElement.matches('.lane.chosen:nth-child(2) button')")
        opened.page.wait_for_function(DRAWN)
        assert colour_count(opened, "#plane", "#d55e00") > 50


def test_a_clip_without_faces_and_voice_has_its_coverage_and_no_person(chromium, tmp_path):
    track = make_track([(frame, NO_TRACK) for frame in range(9)], 9, voice=False)
    HtmlReport().write(track.to_table(), tmp_path / "gone.mp4", tmp_path / "page.html")
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        assert opened.page.locator("#lanes").text_content().startswith("No values were predicted")
        assert "no_face: no face was found" in opened.page.locator("#panels").text_content()
        assert not opened.page.locator("#people-table-section").is_visible() and opened.errors == []


def test_a_value_that_rounds_to_zero_has_no_minus(opened):
    shown = opened.page.evaluate("() => [-0.004, 0.004, -0.006].map(value => signed(value))")
    assert shown == ["+0.00", "+0.00", "−0.01"] and opened.page.evaluate("() => degrees(-0.04)") == "+0.0°"


def test_the_name_on_a_box_can_be_read_on_every_colour(opened):
    shown = opened.page.evaluate("colours => colours.map(inkOn)", [line_colour(number) for number in range(6)])
    assert shown == ["#fff", "#fff", "#fff", "#000", "#000", "#000"]
