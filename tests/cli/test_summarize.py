"""avfer summarize: tables to one row for each person and window."""

from pathlib import Path

import pandas as pd
import pytest

from tests.export.tracks import TRACKS, TWO_PEOPLE


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    return TWO_PEOPLE.save(tmp_path / "tables" / "talk.parquet")


def test_a_table_gives_a_row_for_each_person_as_csv(avfer, table, tmp_path):
    done = avfer("summarize", table, "--output", tmp_path / "out.csv")
    assert (done.code, done.paths) == (0, [tmp_path / "out.csv"])
    frame = pd.read_csv(tmp_path / "out.csv")
    assert frame["tracks"].tolist() == [1, 2] and frame["frames"].tolist() == [70, 70]
    assert frame["coverage"].tolist() == pytest.approx([60 / 70, 20 / 70])
    assert "smile: au12 on 0.5 off 0.3" in done.err and "smile: au12 on 0.5" in frame["event_rules"][0]


def test_the_default_output_is_named_after_the_table(avfer, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert avfer("summarize", table, "--quiet").paths == [Path("avfer_summary/talk.csv")]
    assert avfer("summarize", tmp_path / "tables", "--quiet").paths == [Path("avfer_summary/tables.csv")]


def test_windows_formats_and_thresholds_are_options(avfer, table, tmp_path):
    options = ("--window", "1", "--format", "parquet,jsonl", "--set", "smile.on=0.45")
    done = avfer("summarize", table, "--output", tmp_path / "out", *options)
    assert done.paths == [tmp_path / "out.parquet", tmp_path / "out.jsonl"]
    frame = pd.read_parquet(tmp_path / "out.parquet")
    assert frame["window"].tolist() == [0, 1, 2] * 2
    assert "smile: au12 on 0.45" in frame["event_rules"][0]


def test_the_tables_of_a_folder_are_joined(avfer, table, tmp_path):
    voice = TRACKS["voice alone"].save(table.with_name("voice.csv"))
    voice.write_text(voice.read_text().replace("talk.mp4", "voice.mp4"))
    avfer("summarize", tmp_path / "tables", "--output", tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv")["read_from"].tolist() == ["face", "face", "voice"]


def test_a_file_that_is_no_table_is_listed_and_the_others_are_summarized(avfer, table, tmp_path):
    table.with_name("notes.csv").write_text("subject,age\n1,30\n")
    done = avfer("summarize", tmp_path / "tables", "--output", tmp_path / "out.csv")
    assert done.code == 3 and "notes.csv is no table of avfer: it has no column clip" in done.err
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.parquet",), "there is no table or folder at missing.parquet"),
        (("notes.csv",), "notes.csv is no table of avfer"),
        (("TABLE", "--window", "0"), "window: must be > 0 s"),
        (("TABLE", "--set", "smle.on=1"), "did you mean 'smile'"),
        (("TABLE", "--set", "frown.column=au04"), "talk.parquet: events of au04: the table has no such column"),
        (("TABLE", "--output", "out.xyz"), "unknown format 'xyz'"),
        (("TABLE", "--output", "notes.csv"), "notes.csv exists"),
        (("TABLE", "--output", "summary"), "summary must be a file that ends in .parquet, .csv, .jsonl"),
        (("TABLE", "--output", "tables"), "tables must be a file that ends in"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_writes_nothing(avfer, table, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("notes.csv").write_text("subject,age\n1,30\n")
    done = avfer("summarize", *(table if word == "TABLE" else word for word in arguments))
    assert done.code == 2 and message in done.err and done.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.csv", "tables"]


def test_an_existing_file_is_replaced_on_request(avfer, table, tmp_path):
    output = tmp_path / "out.csv"
    output.write_text("old")
    assert avfer("summarize", table, "--output", output, "--overwrite").code == 0
    assert len(pd.read_csv(output)) == 2


def test_a_folder_that_cannot_be_made_is_named(avfer, table, tmp_path):
    (tmp_path / "file").write_text("")
    done = avfer("summarize", table, "--output", tmp_path / "file" / "out.csv")
    assert done.code == 2 and "file is a file; results need a folder" in done.err
