"""A user's manifest: its clips, its columns, and its faults."""

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from avfer.errors import AvferWarning, ConfigError
from avfer.labelling.entry import Shard
from avfer.labelling.status import status
from avfer.manifest import find_manifest, read_manifest
from tests.labelling.corpora import labels, values, write_corpus

ROWS = "path,subject,age\nx/a.mp4,s1,20\nx/b.mp4,s2,31\n"


def raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def listed(tmp_path):
    write_corpus(tmp_path / "x", "a.mp4", "b.mp4")
    path = tmp_path / "m.csv"
    path.write_text(ROWS)
    return path


def test_the_columns_are_in_every_row_and_in_the_plan(label, listed, tmp_path):
    label("m.csv")
    table = labels(tmp_path / "out")["x/b.mp4"]
    assert set(table["subject"].to_pylist()) == {"s2"} and set(table["age"].to_pylist()) == {31}
    plan = pa.parquet.read_table(tmp_path / "out/manifest.parquet")
    assert plan["subject"].to_pylist() == ["s1", "s2"]


def test_a_parquet_manifest_gives_the_same_tables_as_csv(label, listed, tmp_path):
    label("m.csv")
    want = values(tmp_path / "out")
    pa.parquet.write_table(pa.csv.read_csv(listed), tmp_path / "m.parquet")
    label("m.parquet", overwrite=True)
    assert values(tmp_path / "out") == want


def test_the_column_id_names_the_clips(label, listed, tmp_path):
    listed.write_text("id,path\none,x/a.mp4\nset/two,x/b.mp4\n")
    label("m.csv")
    assert set(labels(tmp_path / "out")) == {"one", "set/two"}


def test_paths_and_ids_are_text_whatever_they_look_like(label, tmp_path):
    for name in ("007", "1e3"):
        write_corpus(tmp_path, "clip.mp4").joinpath("clip.mp4").rename(tmp_path / name)
    (tmp_path / "m.csv").write_text("path,id\n007,001\n1e3,NA\n")
    label("m.csv")
    assert set(labels(tmp_path / "out")) == {"001", "NA"}


def test_numbers_with_leading_zeros_stay_text(label, listed, tmp_path):
    listed.write_text("path,subject,age\nx/a.mp4,007,20\nx/b.mp4,12,31\n")
    label("m.csv")
    table = labels(tmp_path / "out")["x/a.mp4"]
    assert set(table["subject"].to_pylist()) == {"007"} and set(table["age"].to_pylist()) == {20}
    assert set(labels(tmp_path / "out")["x/b.mp4"]["subject"].to_pylist()) == {"12"}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,subject,age\r\nx/a.mp4,s1,20\r\n",
        b"path;subject;age\nx/a.mp4;s1;20\n",
        b"path\tsubject\tage\nx/a.mp4\ts1\t20\n",
        b'age, subject, path \n20, s1, "x/a.mp4"\n',
        b"\npath,subject,age,,\n\nx/a.mp4,s1,20,,\n,,,,\n,,\n",
        b",path,subject,age\n0,x/a.mp4,s1,20\n",
    ],
    ids=["mark of Excel", "semicolons", "tabs", "blanks", "empty cells and rows", "index of pandas"],
)
def test_an_untidy_csv_gives_the_same_manifest(listed, text):
    listed.write_bytes(text)
    manifest = read_manifest(str(listed))
    assert manifest.paths == ["x/a.mp4"]
    assert manifest.columns.to_pydict() == {"subject": ["s1"], "age": [20]}


def test_an_untidy_parquet_table_gives_columns_that_every_format_holds(listed):
    table, words = listed.with_suffix(".parquet"), pa.array(["s1", "s1"]).dictionary_encode()
    columns = {"path": ["x/a.mp4", "x/b.mp4"], "tags": [["x"], None], "subject": words, "__index_level_0__": [4, 5]}
    pa.parquet.write_table(pa.table(columns), table)
    manifest = read_manifest(str(table))
    assert manifest.columns.to_pydict() == {"tags": ['["x"]', None], "subject": ["s1", "s1"]}


def test_a_cell_may_have_a_line_break_and_the_ending_may_be_tsv(listed):
    table = listed.with_suffix(".tsv")
    table.write_text('path\tnote\nx/a.mp4\t"two\nlines"\nx/b.mp4\t007\n')
    assert find_manifest([str(table)]) is not None
    assert read_manifest(str(table)).columns["note"].to_pylist() == ["two\nlines", "007"]


def test_a_row_that_names_a_clip_again_is_left_out_with_a_warning(label, listed, tmp_path):
    listed.write_text("path,id,subject\nx/a.mp4,one,s1\n./x/a.mp4,two,s2\nx/b.mp4,three,s3\n")
    with pytest.warns(AvferWarning, match=r"m\.csv names clips again: row 2 \(\./x/a\.mp4\); the first row"):
        label("m.csv")
    tables = labels(tmp_path / "out")
    assert {name: set(table["subject"].to_pylist()) for name, table in tables.items()} == {
        "one": {"s1"},
        "three": {"s3"},
    }


def test_two_spellings_of_one_id_are_an_error(label, listed):
    listed.write_text("id,path\nset/one,x/a.mp4\n./set//one,x/b.mp4\n")
    with pytest.raises(ConfigError, match="would both be called 'set/one'"):
        label("m.csv")


def test_changed_columns_are_replaced_without_the_pipeline(label, listed, in_process, tmp_path, monkeypatch):
    label("m.csv")
    old = labels(tmp_path / "out")
    listed.write_text(ROWS.replace("31", "32").replace("age", "years"))
    monkeypatch.setattr("avfer.pipeline.Pipeline.stream", None)
    assert label("m.csv").failed == 0
    assert sorted(in_process.given) == ["x/a.mp4", "x/b.mp4"]
    new = labels(tmp_path / "out")
    assert set(new["x/b.mp4"]["years"].to_pylist()) == {32}
    for name in old:
        assert new[name].drop_columns(["subject", "years"]) == old[name].drop_columns(["subject", "age"])
        assert new[name].schema.metadata == old[name].schema.metadata
    label("m.csv")
    assert in_process.given == []


def test_a_run_that_was_killed_before_the_marker_of_new_columns_can_continue(label, listed, tmp_path, monkeypatch):
    label("m.csv")
    listed.write_text(ROWS.replace("age", "fee"))  # the size of the tables does not change
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("avfer.labelling.store.Store.mark_done", raise_interrupt)
        label("m.csv")
    assert label("m.csv").done == 2
    assert [table.column_names[-2:] for table in labels(tmp_path / "out").values()] == [["subject", "fee"]] * 2


def test_shards_of_a_changed_manifest_can_be_labelled_one_after_the_other(label, listed, in_process, tmp_path):
    listed.write_text("path,id,age\nx/a.mp4,a,20\nx/b.mp4,d,31\n")
    assert Shard(1, 2).contains("a") and Shard(2, 2).contains("d")
    label("m.csv", shard="1/2")
    label("m.csv", shard="2/2")
    listed.write_text(listed.read_text().replace("age", "years"))
    first = label("m.csv", shard="1/2")
    assert (first.done, first.left) == (1, 1) == (status(tmp_path / "out").corpus.done, 1)
    assert label("m.csv", shard="2/2").done == 2
    assert [set(table["years"].to_pylist()) for table in labels(tmp_path / "out").values()] == [{20}, {31}]
    assert pa.parquet.read_table(tmp_path / "out/manifest.parquet").column_names[-1] == "years"


def test_overwrite_runs_the_pipeline_although_only_columns_changed(label, listed, in_process, tmp_path, monkeypatch):
    label("m.csv")
    listed.write_text(ROWS.replace("31", "32"))
    monkeypatch.setattr("avfer.labelling.label_clip._ClipLabeller._replace_columns", None)
    assert label("m.csv", overwrite=True).done == 2
    assert set(labels(tmp_path / "out")["x/b.mp4"]["age"].to_pylist()) == {32}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\nx/a.mp4\n", "no column 'path', but file"),
        ("path\n", "no rows"),
        ("path,age\n,3\n", "a row without a path"),
        ("path,valence\nx/a.mp4,1\n", "'valence', which avfer fills itself"),
        ("path,quality\nx/a.mp4,1\n", "'quality', which avfer fills itself"),
        ("path,duration\nx/a.mp4,1\n", "'duration', which avfer fills itself"),
        ("path\nx/a.mp4\nx/gone.mp4\nx\n", r"gone\.mp4' does not exist.*'.*x' is not a regular file"),
        ("id,path\n../up,x/a.mp4\n", "cannot name a clip"),
        ("path,a\nx/a.mp4\n", "cannot be read: line 2 has 1 cell, the header 2"),
    ],
)
def test_a_fault_is_an_error_before_any_work(label, listed, tmp_path, text, message):
    listed.write_text(text)
    with pytest.raises(ConfigError, match=message):
        label("m.csv")
    assert not (tmp_path / "out/clips").exists()


def test_a_manifest_in_another_encoding_is_an_error(listed):
    listed.write_bytes("path,subject\nx/a.mp4,Jürgen\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"is not UTF-8 \(byte 0xfc\); save it again, in a spreadsheet as CSV UTF-8"):
        read_manifest(str(listed))


def test_a_manifest_cannot_be_combined_with_other_inputs(label, listed):
    with pytest.raises(ConfigError, match="takes one manifest alone"):
        label("m.csv", "x")
