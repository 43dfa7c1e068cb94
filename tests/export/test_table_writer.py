"""Tables on disk: formats, groups of rows, and files that appear whole or not at all."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avfer.catalog import NAMES
from avfer.errors import ConfigError, OutputError
from avfer.export import find_format, table_writer
from avfer.export.table_writer import MAX_PIECES, TableWriter, appended
from tests.export.tracks import make_track, split

FORMATS = list(NAMES["format"])
TRACK = make_track([(frame, 1) for frame in range(40) if frame % 7], 40)


def write(path: Path, cuts: list[int]) -> bytes:
    with TableWriter(path) as writer:
        for part in split(TRACK, cuts):
            writer.append(part.to_table())
    return path.read_bytes()


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("cuts", [[1], [3, 20, 21], list(range(40))])
def test_bytes_do_not_depend_on_the_parts(tmp_path, monkeypatch, suffix, cuts):
    monkeypatch.setattr(table_writer, "ROWS_PER_WRITE", 16)
    assert write(tmp_path / f"a.{suffix}", cuts) == write(tmp_path / f"b.{suffix}", [])


def test_the_name_of_an_export_in_place_of_a_format_says_how_to_get_it():
    message = "unknown format 'xlsx' of tables; it is an export: write a table, then run avfer export xlsx TABLE"
    with pytest.raises(ConfigError, match=message):
        find_format("xlsx")


def test_rows_go_to_disk_in_groups_of_a_fixed_size(tmp_path, monkeypatch):
    monkeypatch.setattr(table_writer, "ROWS_PER_WRITE", 16)
    write(tmp_path / "a.parquet", [30])
    groups = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [16, 16, 8]


def test_parquet_keeps_values_nulls_and_metadata(tmp_path):
    table = pq.read_table(TRACK.save(tmp_path / "a.parquet"))
    assert table["valence"].null_count == 6
    assert table["valence"][1].as_py() == TRACK.valence[0]
    assert table.schema.metadata[b"start_s"] == b"1.5"


def test_json_lines_have_null_and_short_numbers(tmp_path):
    rows = [json.loads(line) for line in TRACK.save(tmp_path / "a.jsonl").read_text().splitlines()]
    assert rows[0]["valence"] is None and rows[0]["reason"] == "no_face"
    assert rows[1]["face_score"] == 0.9


def test_csv_has_empty_cells_for_null(tmp_path):
    with TRACK.save(tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["valence"] == "" and rows[1]["face_score"] == "0.9" and len(rows) == 40


def test_an_unknown_suffix_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="unknown format 'xlsx'"):
        TRACK.save(tmp_path / "a.xlsx")


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_error_while_writing_leaves_the_existing_file(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_text("mine")
    with pytest.raises(KeyboardInterrupt), TableWriter(path) as writer:
        writer.append(TRACK.to_table())
        raise KeyboardInterrupt
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def test_the_file_appears_at_the_end_only(tmp_path):
    with TableWriter(tmp_path / "a.csv") as writer:
        writer.append(TRACK.to_table())
        assert not (tmp_path / "a.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_table_without_any_part_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="no rows"), TableWriter(tmp_path / "a.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_bundled_format_is_its_suffix():
    assert [find_format(name).suffix for name in FORMATS] == [f".{name}" for name in FORMATS]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert TRACK.save("~/a.csv") == tmp_path / "a.csv" and (tmp_path / "a.csv").exists()


def test_a_missing_folder_is_created(tmp_path):
    assert TRACK.save(tmp_path / "new" / "deep" / "a.csv").exists()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_is_an_output_error(small_disk, suffix):
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    with pytest.raises(OutputError, match="No space left"):
        TRACK.save(small_disk / f"a.{suffix}")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_read_only_folder_is_an_output_error(read_only_folder):
    with pytest.raises(OutputError, match="cannot be written"):
        TRACK.save(read_only_folder / "a.csv")


def test_a_growing_table_has_few_pieces_and_all_rows() -> None:
    table = None
    for number in range(200):
        table = appended(table, pa.table({"a": [number], "b": [str(number)]}))
        assert table["a"].num_chunks <= MAX_PIECES
    assert table is not None and table["b"].to_pylist() == [str(number) for number in range(200)]
