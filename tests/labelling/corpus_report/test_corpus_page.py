"""The report of a labelled folder as a page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from avfer.errors import ConfigError
from avfer.labelling.corpus_report.corpus_page import write_corpus_report
from avfer.labelling.entry import Shard
from avfer.labelling.store import Store, locked
from avfer.models.card_files import builtin_card
from tests.labelling.labelled_folder import LabelledClip, clip_table, write_labelled_folder

HOSTILE = "<img src=x onerror=alert(1)>\u202e.mp4"


class Page(HTMLParser):
    """What a browser finds in a page: its elements, its text, and the data of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.data: dict[str, Any] = {}
        self._element = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._element = dict(attrs).get("id") or tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._element = ""

    def handle_data(self, data):
        if self._element in ("clips", "failures"):
            self.data[self._element] = json.loads(data)
        elif not self._element:
            self.text += data


def report(folder: Path, output: Path) -> Page:
    write_corpus_report(folder, output)
    return Page(output.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two clips that are done, two that failed for one reason, and one that is left."""
    clips = [
        LabelledClip("s/whole.mp4", clip_table([0.5, 0.7], ["happiness"] * 2, quality=[0.9, 0.7])),
        LabelledClip("half.mp4", clip_table([-0.5, None], ["sadness", None], [0, None])),
        LabelledClip("bad1.mp4", failure="cannot be read: it is damaged"),
        LabelledClip("bad2.mp4", failure="cannot be read: it is damaged"),
        LabelledClip("new.mp4"),
    ]
    return write_labelled_folder(tmp_path / "labels", clips)


def test_every_clip_has_a_row_with_its_state_and_its_means(folder, tmp_path):
    page = report(folder, tmp_path / "corpus.html")
    rows = {row[0]: row[1:] for row in page.data["clips"]["rows"]}
    assert rows["s/whole.mp4"] == ["done", 1.0, 1.0, 0.08, 2, 1, 0.6, 0.3, "happiness", 1.0, 0.8, None]
    assert rows["half.mp4"] == ["done", 0.5, 0.5, 0.08, 2, 1, -0.5, -0.25, "sadness", 1.0, None, None]
    assert rows["bad1.mp4"][0] == "failed" and rows["new.mp4"][0] == "left"
    assert page.data["clips"]["columns"][page.data["clips"]["order"]]["title"] == "Face"


@pytest.mark.parametrize(
    ("part", "length"),
    [("start_at: 0.5", 1.5), ("stop_at: '0:01.25'", 1.25), ("start_at: 0.5, stop_at: 9", 1.5), ("min_size: 40", 2.0)],
)
def test_the_length_of_a_clip_is_that_of_its_labelled_part(tmp_path, part, length):
    use = "detect_faces" if "size" in part else "decode_video"
    pipeline = f"stages:\n  frames: {{use: {use}, from: span, {part}}}\noutput: frames\n"
    clips = [LabelledClip(name, clip_table([0.1] * 50)) for name in ("a.mp4", "b.mp4")]
    folder = write_labelled_folder(tmp_path / "labels", clips, pipeline=pipeline)
    page = report(folder, tmp_path / "corpus.html")
    column = [cell["title"] for cell in page.data["clips"]["columns"]].index("Length")
    assert [row[column] for row in page.data["clips"]["rows"]] == [length] * 2
    assert f"Length{2 * length:.1f} s" in page.text


def test_failures_are_grouped_by_reason_and_listed_by_clip(folder, tmp_path):
    page = report(folder, tmp_path / "corpus.html")
    assert "(clip) cannot be read: it is damagedopen2" in page.text
    assert [row[:2] for row in page.data["failures"]["rows"]] == [["bad1.mp4", "open"], ["bad2.mp4", "open"]]
    assert "/data/clips" not in page.text + json.dumps(page.data)


def test_the_charts_name_both_of_their_axes(folder, tmp_path):
    text = report(folder, tmp_path / "corpus.html").text
    for across, upwards in (("valence", "share of rows"), ("share of frames with a face", "share of clips")):
        assert f"{across}\n{upwards}\n" in text
    assert "\n−0.5\n" in text and "\n-0.5\n" not in text


def test_totals_settings_and_licences_are_on_the_page(folder, tmp_path):
    text = report(folder, tmp_path / "corpus.html").text
    assert "Done2" in text and "Failed2" in text and "Left1" in text and "With a face75.0%" in text
    assert "missing in all figures below: 1 clip." in text
    assert builtin_card("gru_lite").licence_weights in text and "mapped, not measured" in text and "stages: {}" in text
    assert "scale of action unitsactivation" in text
    assert 0 < text.index("aver_lite.safetensors") < text.index("gru_lite.safetensors")


def test_a_clip_links_its_own_report_where_one_exists(folder, tmp_path):
    own = Store(folder).report("s/whole.mp4")
    own.parent.mkdir(parents=True)
    own.write_text("a page")
    (tmp_path / "pages").mkdir()
    page = report(folder, tmp_path / "pages/corpus.html")
    addresses = {row[0]: row[-1] for row in page.data["clips"]["rows"]}
    assert addresses["s/whole.mp4"] == "./../labels/reports/s/whole.mp4.html"
    assert addresses["half.mp4"] is None


def test_hostile_names_and_reasons_are_text(tmp_path):
    clips = [LabelledClip(HOSTILE, clip_table([0.1])), LabelledClip("b.mp4", failure="</script><script>alert(2)//")]
    folder = write_labelled_folder(tmp_path / "<b>labels", clips)
    page = report(folder, tmp_path / "corpus.html")
    assert "img" not in page.tags and "b" not in page.tags and page.tags.count("script") == 3  # two tables, one program
    assert page.data["clips"]["rows"][0][0] == "<img src=x onerror=alert(1)>\\u202e.mp4"


def test_a_page_loads_nothing(folder, tmp_path):
    page = report(folder, tmp_path / "corpus.html")
    assert not {"link", "iframe", "img"} & set(page.tags)
    assert not re.search(r"(src|href)=|url\(|@import|https?://", (tmp_path / "corpus.html").read_text())


def test_a_damaged_table_is_listed_and_the_others_are_shown(folder, tmp_path):
    table = Store(folder).table("half.mp4")
    table.write_bytes(b"\0" * table.stat().st_size)
    page = report(folder, tmp_path / "corpus.html")
    rows = {row[0]: row[1:] for row in page.data["clips"]["rows"]}
    assert rows["half.mp4"][0] == "unreadable" and rows["s/whole.mp4"][0] == "done"
    assert "in the charts: 1 table." in page.text and "half.mp4" in [row[0] for row in page.data["failures"]["rows"]]


def test_a_folder_without_any_table_gives_a_page_without_charts(tmp_path):
    folder = write_labelled_folder(tmp_path / "labels", [LabelledClip("a.mp4"), LabelledClip("b.mp4")])
    page = report(folder, tmp_path / "corpus.html")
    assert "svg" not in page.tags and "failures" not in page.data and "figures below: 2 clips." in page.text


def test_clips_without_frames_have_no_share_of_faces(tmp_path):
    folder = write_labelled_folder(
        tmp_path / "labels", [LabelledClip("a.wav", clip_table([0.1, 0.2], tracks=[None] * 2))]
    )
    marker = Store(folder).done("a.wav")
    marker.write_text(marker.read_text().replace("no_face", "no_picture"))
    page = report(folder, tmp_path / "corpus.html")
    assert page.data["clips"]["rows"][0][2:4] == [None, 1.0]


def test_a_page_says_that_labelling_is_in_progress(folder, tmp_path):
    with locked(Store(folder).locks, Shard()):
        assert "The labelling is in progress" in report(folder, tmp_path / "corpus.html").text
    assert "in progress" not in report(folder, tmp_path / "corpus.html").text


def test_a_folder_without_labels_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="has no labels"):
        write_corpus_report(tmp_path, tmp_path / "corpus.html")
