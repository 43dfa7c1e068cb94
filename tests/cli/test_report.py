"""avfer report: the page of tables on disk, where their clips are searched, and refusals before anything is written."""

from pathlib import Path

import pytest

from avfer.export.table_writer import TableWriter
from avfer.provenance import Provenance
from tests.export.clip_report.page_data import page_data
from tests.export.exporter_tables import TWO
from tests.export.tracks import make_track
from tests.media_maker import stripes, write_clip

pytestmark = pytest.mark.filterwarnings("always")  # the clips of most tables here are missing


@pytest.fixture
def table(tmp_path: Path) -> Path:
    with TableWriter(tmp_path / "out" / "talk.parquet") as writer:
        writer.append(TWO)
    return tmp_path / "out" / "talk.parquet"


def video(page: Path) -> dict:
    return page_data(page.read_text())["clips"][0]["video"]


def test_the_page_links_the_clip_in_the_folder_above_its_table(avfer, table, tmp_path):
    write_clip(tmp_path / "talk.mp4", stripes(3))
    result = avfer("report", table, "--output", tmp_path / "page.html")
    assert (result.code, result.paths, result.err) == (0, [tmp_path / "page.html"], "")
    assert video(tmp_path / "page.html")["reference"] == "talk.mp4"


def test_clip_names_the_video_or_its_folder(avfer, table, tmp_path):
    (tmp_path / "videos").mkdir()
    for clip in (write_clip(tmp_path / "videos" / "talk.mp4", stripes(3)), tmp_path / "videos"):
        avfer("report", table, "--output", tmp_path / "page.html", "--clip", clip, "--overwrite")
        assert video(tmp_path / "page.html")["reference"] == "videos/talk.mp4"


def test_a_missing_clip_gives_a_page_that_says_so(avfer, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "out")
    result = avfer("report", table, "--output", tmp_path / "page.html")
    assert result.code == 0 and "the page has no video, because there is none at talk.mp4; name it with" in result.err
    assert "does not exist" in video(tmp_path / "page.html")["notes"][0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_tables_of_all_formats_have_pages(avfer, tmp_path, suffix):
    with TableWriter(tmp_path / f"talk.{suffix}") as writer:
        writer.append(TWO)
    assert avfer("report", tmp_path / f"talk.{suffix}", "--output", tmp_path / "page.html").code == 0
    assert len(page_data((tmp_path / "page.html").read_text())["clips"][0]["people"]) == 2


def test_several_tables_share_a_page(avfer, table, tmp_path):
    with TableWriter(tmp_path / "out" / "other.parquet") as writer:
        writer.append(make_track([(0, 1)], 1, source=Provenance("other.mp4")).to_table())
    write_clip(tmp_path / "talk.mp4", stripes(3))
    result = avfer("report", tmp_path / "out", "--output", tmp_path / "page.html")
    assert result.code == 0 and "no video for 1 of 2 tables, because there is none at other.mp4" in result.err
    assert len(page_data((tmp_path / "page.html").read_text())["clips"]) == 2


def test_numbers_only_leaves_out_video_and_faces(avfer, table, tmp_path):
    words = ["report", table, "--output", tmp_path / "page.html", "--numbers-only"]
    assert "no video" not in avfer(*words).err, "none is wanted"
    write_clip(tmp_path / "talk.mp4", stripes(3))
    avfer(*words, "--overwrite")
    assert video(tmp_path / "page.html")["reference"] == ""
    assert "image/jpeg" not in (tmp_path / "page.html").read_text()


def test_the_agreement_with_a_coding_is_on_the_page(avfer, table, tmp_path):
    (tmp_path / "talk.csv").write_text("time,valence\n0.0,0.1\n0.4,0.3\n1.0,-0.2\n")
    words = ["--output", tmp_path / "page.html", "--coding", tmp_path / "talk.csv"]
    result = avfer("report", table, *words)
    assert result.code == 0, result.err
    agreement = page_data((tmp_path / "page.html").read_text())["agreement"]
    assert ["valence", "ccc"] in [row[:2] for row in agreement["rows"]]
    assert result.code == 0 and any("one clip has no interval" in note for note in agreement["notes"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.parquet"], "absent.parquet"),
        (["other.csv"], "is no table of avfer: it has no column clip, time_s, track"),
        (["bare.csv"], "has no column valence, arousal, expression"),
        (["talk.parquet", "--output", "page.pdf"], "a page ends in .html"),
        (["talk.parquet", "--output", "folder.html"], "is a folder"),
        (["talk.parquet", "--output", "old.html"], "exists; give another name"),
        (["talk.parquet", "--clip", "absent.mp4"], "--clip: there is no file or folder at absent.mp4"),
        (["talk.parquet", "talk2.parquet", "--coding", "a.csv"], "--coding: compares one table, got 2"),
        (["talk.parquet", "--threshold", "0.5"], "--threshold: applies to --coding only"),
        (["talk.parquet", "--numbers-only", "--embed"], "--numbers-only leaves out the video"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(avfer, table, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Path("talk.parquet").write_bytes(table.read_bytes())
    Path("talk2.parquet").write_bytes(table.read_bytes())
    Path("other.csv").write_text("a,b\n1,2\n")
    Path("bare.csv").write_text("clip,time_s,track\na.mp4,0.0,1\n")
    Path("folder.html").mkdir()
    Path("old.html").write_text("mine")
    output = [] if "--output" in words else ["--output", "page.html"]
    result = avfer("report", *words, *output)
    assert result.code == 2 and message in result.err and "Traceback" not in result.err
    assert not Path("page.html").exists() and Path("old.html").read_text() == "mine"
