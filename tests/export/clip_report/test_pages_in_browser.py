"""Pages of unusual tables in a real browser: many people, no video, photographs, hostile texts, missing values."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from avfer.export.clip_report.html_report import HtmlReport
from avfer.export.person_rows import clips_of
from avfer.provenance import Provenance
from avfer.types import NO_TRACK
from tests.browser import open_page
from tests.export.clip_report.opened_page import (
    COLUMNS,
    DRAWN,
    READY,
    click_at,
    colour_count,
    talk_table,
)
from tests.export.exporter_tables import HOSTILE
from tests.export.tracks import make_track, with_measures

pytestmark = pytest.mark.slow


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
    tables = [make_track([(0, 1), (1, 1)], 2, source=Provenance(name)).to_table() for name in ("a" * 200, "b.mp4")]
    HtmlReport().write_tables([(table, tmp_path / "gone.mp4") for table in tables], tmp_path / "page.html")
    assert [len(clips_of(table)) for table in tables] == [1, 1]
    with open_page(chromium, tmp_path / "page.html") as opened:
        opened.page.wait_for_function(DRAWN)
        tops = [opened.page.locator(f"#clip{part}").bounding_box()["y"] for part in ("", "-before", "-after")]
        assert max(tops) - min(tops) < 5  # beside each other, however long a name is
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
    silence = pa.array(np.where(np.arange(100) < 50, np.nan, 0).astype(np.float32), from_pandas=True)
    table = table.append_column("speech", silence)
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
        assert ["Somebody speaks", True, False] in found


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
