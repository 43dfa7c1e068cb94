"""Tables read back from disk."""

from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest

from avfer.catalog import NAMES
from avfer.errors import DatasetError
from avfer.export import metadata_of
from avfer.export.file_records import write_record
from avfer.export.table_reader import find_clip, find_tables, read_table
from avfer.export.table_writer import TableWriter
from tests.export.exporter_tables import TWO, write
from tests.export.tracks import TRACKS

# A recording of BIDS made from a table at a variable rate warns.
pytestmark = pytest.mark.filterwarnings("ignore:the steps between the rows of:avfer.errors.AvferWarning")


@pytest.mark.parametrize("name", TRACKS)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_table_read_from_any_format_is_the_one_written(tmp_path, name, suffix):
    path = TRACKS[name].save(tmp_path / f"talk.{suffix}")
    assert read_table(path).equals(TRACKS[name].to_table(), check_metadata=True)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_table_has_the_metadata_recorded_beside_its_file(tmp_path, suffix):
    path = tmp_path / f"talk.{suffix}"
    with TableWriter(path) as writer:
        writer.append(TRACKS["two people"].to_table())
    assert metadata_of(read_table(path).schema) == {}
    write_record(path, {"au_scale": "activation", "numbers_only": "true"})
    assert metadata_of(read_table(path).schema) == {"au_scale": "activation", "numbers_only": "true"}
    path.write_text(path.read_text() + "\n")
    assert metadata_of(read_table(path).schema) == {}, "something else changed the file"


@pytest.mark.parametrize("name", TRACKS)
def test_a_csv_that_pandas_wrote_again_is_the_same_table(tmp_path, name):
    """pandas turns whole numbers with missing values into decimals, such as a track 0.0."""
    path = TRACKS[name].save(tmp_path / "talk.csv")
    pandas.read_csv(path).to_csv(tmp_path / "again.csv", index=False)
    assert read_table(tmp_path / "again.csv").equals(read_table(path))


def test_columns_of_the_users_manifest_are_kept(tmp_path):
    table = TRACKS["two people"].to_table()
    table = table.append_column("condition", pa.array(["a"] * len(table)))
    for suffix in ("parquet", "csv", "jsonl"):
        with TableWriter(tmp_path / f"talk.{suffix}") as writer:
            writer.append(table)
        assert read_table(tmp_path / f"talk.{suffix}")["condition"].to_pylist() == ["a"] * len(table)


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "subject,time\n1,2\n", r"no column clip, time_s, track, valence \(its columns: subject, time\)"),
        ("a.csv", "clip,time_s,track\nx,soon,1\n", "cannot be read as a table"),
        ("a.jsonl", '{"clip": "x", "time_s": "soon", "track": 1, "valence": 0}\n', "a column has other values"),
        ("a.jsonl", "nothing", "cannot be read as a table"),
        ("a.parquet", "nothing", "cannot be read as a table"),
        ("a.csv", "", "cannot be read as a table"),
        ("a.xlsx", "", "its name must end in .parquet, .csv, .jsonl"),
        ("a.csv", "clip,time_s,track,valence\nx,0.5,1,0\nx,,1,0\n", r"row 1 \(from 0\) has no time in the column"),
        ("a.csv", "clip,time_s,track\nx,0.5,1\n", "has no column valence; give a table of avfer run"),
    ],
)
def test_a_file_that_is_no_table_of_avfer_is_an_error_with_the_reason(tmp_path, name, text, message):
    with pytest.raises(DatasetError, match=message) as raised:
        read_table(write_text(tmp_path / name, text), ["valence"])
    assert str(tmp_path / name) in str(raised.value)


def test_a_folder_gives_each_table_once_and_parquet_first(tmp_path):
    (tmp_path / "s1").mkdir()
    for name in ("b.csv", "a.parquet", "a.csv", "a.jsonl", "s1/a.jsonl", "note.txt"):
        write_text(tmp_path / name, "")
    found = [path.relative_to(tmp_path).as_posix() for path in find_tables(tmp_path)]
    assert found == ["a.parquet", "b.csv", "s1/a.jsonl"]


@pytest.mark.parametrize("name", sorted(set(NAMES["exporter"]) - {"report", "overlay"}))
def test_an_export_beside_a_table_is_no_further_table(tmp_path, name):
    write(name, TWO, tmp_path)
    with TableWriter(tmp_path / "talk.parquet") as writer:
        writer.append(TWO)
    assert find_tables(tmp_path) == [tmp_path / "talk.parquet"]


def test_a_labelled_folder_gives_the_tables_of_its_clips(tmp_path):
    for folder in ("clips/s1", "clips/.parts"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("manifest.parquet", "clips/s1/a.parquet", "clips/.parts/b.parquet", "failures.jsonl"):
        write_text(tmp_path / name, "")
    assert find_tables(tmp_path) == [tmp_path / "clips/s1/a.parquet"]


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_path_without_tables_is_an_error(tmp_path, name):
    with pytest.raises(DatasetError, match="there is no table"):
        find_tables(tmp_path / name)


@pytest.mark.parametrize(
    ("sources", "there", "found"),
    [
        (["s1/talk.mp4"], ["b/talk.mp4"], "b/talk.mp4"),
        (["s1/talk.mp4"], ["a/talk.mp4", "b/s1/talk.mp4"], "a/talk.mp4"),
        (["s1/talk.mp4"], ["b/talk.mp4", "b/s1/talk.mp4"], "b/s1/talk.mp4"),
        (["../talk.mp4"], ["talk.mp4"], "b/talk.mp4"),
        ([None], [], "b/talk"),
        (["talk.mp4", "walk.mp4"], ["b/talk.mp4"], "a"),
    ],
)
def test_the_clip_of_a_table_is_searched_in_several_folders(tmp_path, sources, there, found):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    clips = [source and Path(source).name for source in sources]
    table = pa.table({"source": pa.array(sources, pa.string()), "clip": pa.array(clips, pa.string())})
    assert find_clip(tmp_path / "talk.csv", table, [tmp_path / "a", tmp_path / "b"]) == tmp_path / found
