"""The playable report in a real browser: video, cursor, click, zoom, keyboard and layout of one page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from avfer.export.clip_report.html_report import HtmlReport
from avfer.export.colours import line_colour
from tests.browser import WIDTHS, OpenPage, open_page
from tests.export.clip_report.opened_page import (
    DRAWN,
    FRAME,
    READY,
    SECONDS,
    click_at,
    player,
    playhead,
    talk_table,
    view,
)
from tests.export.tracks import CLASSES

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(chromium: Any, page_file: Path) -> Iterator[OpenPage]:
    """The page of the clip with its video loaded; no test of it may leave an error."""
    with open_page(chromium, page_file) as page:
        page.page.wait_for_function(READY)
        yield page
        assert page.errors == []


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


def test_the_shown_part_follows_the_keyboard(opened):
    keys = opened.page.keyboard
    for _ in range(3):
        keys.press("+")
    assert view(opened) == pytest.approx((0, 0.75))
    keys.press("Shift+ArrowRight")
    assert player(opened, "time") == pytest.approx(1.0) and view(opened) == pytest.approx((1.0, 1.75))
    keys.press("ArrowLeft")
    assert view(opened) == pytest.approx((0.96 - 0.75, 0.96))
    keys.press("End")
    assert view(opened) == pytest.approx((5.25, 6.0))
    keys.press("Home")
    assert view(opened) == pytest.approx((0.0, 0.75))


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


def test_a_value_that_rounds_to_zero_has_no_minus(opened):
    shown = opened.page.evaluate("() => [-0.004, 0.004, -0.006].map(value => signed(value))")
    assert shown == ["+0.00", "+0.00", "−0.01"] and opened.page.evaluate("() => degrees(-0.04)") == "+0.0°"


def test_the_name_on_a_box_can_be_read_on_every_colour(opened):
    shown = opened.page.evaluate("colours => colours.map(inkOn)", [line_colour(number) for number in range(6)])
    assert shown == ["#fff", "#fff", "#fff", "#000", "#000", "#000"]


def test_labels_that_would_cover_each_other_are_the_numbers_of_the_people(opened):
    faces = [("person 0", 0, 0), ("person 1", 40, 5), ("person 2", 200, 0), ("person 3", 40, 60)]
    shown = opened.page.evaluate(
        "faces => shortLabels(faces.map(([label, x, y]) => ({ label, x, y })), () => 60)",
        [list(face) for face in faces],
    )
    assert shown == ["0", "1", "person 2", "person 3"]


def test_the_values_at_the_cursor_are_in_the_order_of_the_people(opened):
    click_at(opened, 3.0)
    valence = opened.page.locator("#panels .panel-head output").first
    assert [part[:7] for part in valence.text_content().split(" · ")] == ["track 0", "track 1"]


def test_the_lines_of_others_are_stronger_in_the_dark_and_not_on_paper(chromium, page_file):
    others = "() => group.theme.others"
    with open_page(chromium, page_file, scheme="dark") as opened:
        opened.page.wait_for_function(READY)
        assert opened.page.evaluate(others) == "cc"
        opened.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert opened.page.evaluate(others) == "99"


def test_on_paper_the_curves_have_light_colours_whatever_the_system_prefers(chromium, page_file):
    ink = "() => [group.theme.ink, getComputedStyle(document.documentElement).getPropertyValue('--ground')]"
    with open_page(chromium, page_file, scheme="dark") as opened:
        opened.page.wait_for_function(READY)
        dark = opened.page.evaluate(ink)
        opened.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert opened.page.evaluate(ink) == ["#000", "#eee"] != dark
        opened.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        assert opened.page.evaluate(ink) == dark and opened.errors == []


def test_after_a_tap_the_values_follow_the_playhead_as_no_finger_stays_above_the_curve(chromium, page_file):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_function(READY)
    curve = page.locator(".u-over").nth(2)
    curve.scroll_into_view_if_needed()
    curve.tap()
    page.wait_for_function("() => player.time > 1 && group.hover === null", timeout=60_000)
    page.keyboard.press("Home")
    shown = page.locator(".panel-head output").first
    assert shown.text_content().startswith("track 0 +0.00") and shown.get_attribute("aria-live") == "off"
    context.close()


def test_arrows_choose_among_several_people_and_else_scroll(chromium, opened, tmp_path):
    prevented = """() => {
        let prevented;
        addEventListener("keydown", event => { prevented = event.defaultPrevented; }, { once: true });
        document.querySelector(".target").dispatchEvent(
            new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true }));
        return prevented;
    }"""
    aim = "selector => document.querySelector(selector).classList.add('target')"
    opened.page.evaluate(aim, "h1")
    assert opened.page.evaluate(prevented)
    opened.page.evaluate("() => document.querySelector('.target').classList.remove('target')")
    opened.page.evaluate(aim, "#people-table")
    assert not opened.page.evaluate(prevented)
    HtmlReport().write(talk_table(1), tmp_path / "gone.mp4", tmp_path / "alone.html")
    with open_page(chromium, tmp_path / "alone.html") as alone:
        alone.page.wait_for_function(DRAWN)
        alone.page.evaluate(aim, "h1")
        assert not alone.page.evaluate(prevented)
