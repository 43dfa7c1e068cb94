"""avfer export: paths on standard output, options, and refusals before anything is written."""

from pathlib import Path

import pytest
from PIL import Image

from avfer.catalog import NAMES
from avfer.export.table_writer import TableWriter
from tests.export.exporter_tables import TWO


@pytest.fixture
def table(tmp_path: Path) -> Path:
    with TableWriter(tmp_path / "talk.parquet") as writer:
        writer.append(TWO)
    return tmp_path / "talk.parquet"


def test_all_files_are_printed(avfer, table, tmp_path):
    (tmp_path / "talk.mp4").touch()
    result = avfer("export", "elan", table, "--output", tmp_path / "out" / "a.eaf")
    assert result.code == 0, result.err
    assert [path.name for path in result.paths] == ["a.eaf", "a_series.csv", "a_tsconf.xml"]
    assert all(path.exists() for path in result.paths)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_tables_of_all_formats_are_read(avfer, tmp_path, suffix):
    with TableWriter(tmp_path / f"talk.{suffix}") as writer:
        writer.append(TWO)
    result = avfer("export", "webvtt", tmp_path / f"talk.{suffix}", "--output", tmp_path / "a.vtt")
    assert result.code == 0 and "happiness" in (tmp_path / "a.vtt").read_text()


def test_options_and_events_are_set(avfer, table, tmp_path):
    words = ["--set", "delimiter=tab", "--set", "decimal=comma"]
    assert avfer("export", "csv", table, "--output", tmp_path / "a.tsv", *words).code == 0
    assert (tmp_path / "a.tsv").read_text().splitlines()[2].split("\t")[2] == "0,04"
    words = ["--set", "smile.on=0.9", "--set", "frown.column=au01"]
    assert avfer("export", "segments", table, "--output", tmp_path / "a.csv", *words).code == 0
    assert '"on": 0.9' in (tmp_path / "a.rules.json").read_text()


def test_a_csv_is_still_of_numbers_only_when_it_is_exported_again(avfer, tmp_path):
    with TableWriter(tmp_path / "talk.parquet") as writer:
        writer.append(TWO.replace_schema_metadata({"numbers_only": "true"}))
    (tmp_path / "talk.mp4").touch()
    assert avfer("export", "csv", tmp_path / "talk.parquet", "--output", tmp_path / "talk.csv").code == 0
    result = avfer("export", "overlay", tmp_path / "talk.csv", "--output", tmp_path / "a.mp4")
    assert result.code == 2 and "'overlay' (--overlay, --draw, --blur) shows pictures of the clip" in result.err


@pytest.mark.filterwarnings("always")
def test_a_link_to_a_clip_that_is_absent_is_a_warning(avfer, table, tmp_path):
    result = avfer("export", "elan", table, "--output", tmp_path / "a.eaf")
    assert result.code == 0 and "talk.mp4, which does not exist; name the clip with --clip" in result.err
    assert "warning" not in avfer("export", "webvtt", table, "--output", tmp_path / "a.vtt").err


@pytest.mark.parametrize("place", ["tables/talk.mp4", "talk.mp4", "here/talk.mp4"])
def test_elan_finds_the_clip_where_a_report_does(avfer, table, tmp_path, monkeypatch, place):
    (tmp_path / "here").mkdir()
    moved = tmp_path / "tables" / table.name
    moved.parent.mkdir()
    table.rename(moved)
    (tmp_path / place).touch()
    monkeypatch.chdir(tmp_path / "here")
    assert avfer("export", "elan", moved, "--output", tmp_path / "a.eaf").code == 0
    assert f'RELATIVE_MEDIA_URL="./{place}"' in (tmp_path / "a.eaf").read_text()


def test_the_notes_of_openface_and_praat_have_names_of_their_own(avfer, table, tmp_path):
    assert avfer("export", "openface", table, "--output", tmp_path / "a.csv").code == 0
    assert avfer("export", "praat", table, "--output", tmp_path / "a.TextGrid").code == 0
    assert {path.name for path in tmp_path.glob("*note.txt")} == {"a.note.txt", "a.praat.note.txt"}


def test_elan_links_the_named_clip(avfer, table, tmp_path):
    (tmp_path / "other.mp4").touch()
    avfer("export", "elan", table, "--output", tmp_path / "a.eaf", "--clip", tmp_path / "other.mp4")
    assert "other.mp4" in (tmp_path / "a.eaf").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["elam", "talk.parquet"], "unknown exporter 'elam'; did you mean 'elan'?"),
        (["csv", "absent.parquet"], "absent.parquet"),
        (["csv", "other.csv"], "is no table of avfer: it has no column clip, time_s, track"),
        (["overlay", "talk.parquet"], "'overlay' reads the clip, and there is none at"),
        (["csv", "talk.parquet", "--set", "smile.on=1"], "events"),
        (["csv", "talk.parquet", "--set", "decimal=comma"], "a comma needs another delimiter"),
        (["elan", "talk.parquet", "--set", "smile.of=1"], "unknown option 'of'"),
        (["csv", "talk.parquet", "--output", "."], "is a folder; name the file to write"),
        (["csv", "talk.parquet", "--output", "talk.parquet", "--overwrite"], "is the table that is exported"),
        (
            ["bids", "talk.parquet", "--output", "a.json"],
            "would be written twice; give a name that ends in _physio.tsv.gz",
        ),
        (["xlsx", "talk.parquet", "--output", "other.csv"], "exists; give another name"),
        (["spss", "talk.parquet", "--output", "a.csv"], "'spss' writes another format than a.csv; give a name that"),
        (["xlsx", "talk.parquet", "--output", "a"], "give a name that ends in .xlsx"),
        (["csv", "talk.parquet", "--output", "a.csv.gz"], "give a name that ends in .csv"),
        (["bids", "talk.parquet", "--output", "a.gz"], "give a name that ends in _physio.tsv.gz"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_written(avfer, table, tmp_path, monkeypatch, words, message):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    output = [] if "--output" in words else ["--output", "out/a"]
    result = avfer("export", *words, *output)
    assert result.code == 2 and message in result.err, result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "talk.parquet"]


@pytest.mark.filterwarnings("ignore:the steps between the rows of:avfer.errors.AvferWarning")  # of BIDS
@pytest.mark.parametrize(
    ("name", "file"),
    [("csv", "a.txt"), ("openface", "a.CSV"), ("boris", "a.tsv"), ("bids", "a.tsv"), ("report", "a.htm")],
)
def test_other_endings_of_the_same_format_are_written(avfer, table, tmp_path, name, file):
    result = avfer("export", name, table, "--output", tmp_path / file)
    assert result.code == 0 and (tmp_path / file).exists(), result.err


def test_the_overlay_of_a_photograph_must_be_named_as_a_picture(avfer, table, tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 48)).save(photo)
    words = ["export", "overlay", table, "--clip", photo, "--output"]
    refused = avfer(*words, tmp_path / "a.mp4")
    assert refused.code == 2 and "give a name that ends in .overlay.jpg" in refused.err
    assert avfer(*words, tmp_path / "a.jpg").code == 0
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")  # a JPEG


def test_existing_side_files_are_kept_unless_overwritten(avfer, table, tmp_path):
    (tmp_path / "a.note.txt").write_text("mine")
    words = ["export", "openface", table, "--output", tmp_path / "a.csv"]
    assert avfer(*words).code == 2 and (tmp_path / "a.note.txt").read_text() == "mine"
    assert avfer(*words, "--overwrite").code == 0 and "OpenFace" in (tmp_path / "a.note.txt").read_text()


def test_the_help_lists_every_exporter(avfer):
    text = " ".join(avfer("export", "--help").out.split())
    assert f"{', '.join(NAMES['exporter'])} or package.module:Name" in text
