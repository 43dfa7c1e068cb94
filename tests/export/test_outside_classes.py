"""A table format and an exporter from outside the package, named as `package.module:Name`."""

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from avfer.catalog import NAMES
from avfer.errors import ConfigError
from avfer.export import find_exporter, find_format
from avfer.export.table_writer import TableWriter
from tests.export.tracks import TWO_PEOPLE
from tests.media_maker import stripes, write_clip

HERE = "tests.export.test_outside_classes"


class TimesOnly:
    """A format: one time for each line."""

    suffix = ".times.txt"

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        self._file.writelines(f"{time}\n".encode() for time in table["time_s"].to_pylist())

    def close(self) -> None:
        self._file.write(b"end\n")


class RowCount:
    """An exporter: the clip's name and its number of rows."""

    suffix = ".count.txt"
    needs_frames = False

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        path.write_text(f"{clip.name} {len(table)}")


class Page(RowCount):
    suffix = ".html"


class NeedsArguments(RowCount):
    def __init__(self, title: str) -> None:
        self.title = title


class WithoutSuffix:
    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        raise AssertionError("a class of the wrong shape must not be called")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "talk.mp4", stripes(5))


def test_a_format_from_outside_writes_a_table(tmp_path):
    with TableWriter(tmp_path / "a.times.txt", f"{HERE}:TimesOnly") as writer:
        writer.append(TWO_PEOPLE.to_table())
    lines = (tmp_path / "a.times.txt").read_text().splitlines()
    assert len(lines) == writer.rows + 1 and lines[0] == "0.0" and lines[-1] == "end"


def test_an_exporter_from_outside_gets_table_clip_and_path(tmp_path):
    exporter = find_exporter(f"{HERE}:RowCount")
    exporter.write(TWO_PEOPLE.to_table(), Path("talk.mp4"), tmp_path / "a.count.txt")
    assert (tmp_path / "a.count.txt").read_text() == "talk.mp4 90"


def test_the_command_line_takes_a_format_from_outside(avfer, steady, clip, tmp_path):
    words = ["run", steady, "--input", clip, "--output", tmp_path / "out", "--device", "cpu"]
    result = avfer(*words, "--format", f"csv,{HERE}:TimesOnly", "--quiet")
    assert result.code == 0, result.err
    assert [path.name for path in result.paths] == ["talk.csv", "talk.times.txt"]
    assert len((tmp_path / "out" / "talk.times.txt").read_text().splitlines()) == 6


def test_the_command_line_takes_an_exporter_from_outside(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--export", f"{HERE}:RowCount")
    assert result.code == 0, result.err
    assert [path.name for path in result.paths] == ["talk.parquet", "talk.count.txt"]
    assert result.paths[1].read_text() == "talk.mp4 5"


def test_one_line_of_the_catalog_brings_an_exporter_to_the_command_line(avfer, steady, clip, tmp_path, monkeypatch):
    monkeypatch.setitem(NAMES["exporter"], "rows", f"{HERE}:RowCount")
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--export", "rows", "--report")
    assert result.code == 0, result.err
    assert [path.name for path in result.paths] == ["talk.parquet", "talk.html", "talk.count.txt"]


@pytest.mark.parametrize("short_form", [["--report", "--overlay"], ["--export", "report", "--export", "overlay"]])
def test_report_and_overlay_are_short_forms_of_export(avfer, steady, clip, tmp_path, short_form):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", *short_form, "--export", "report")
    assert result.code == 0, result.err
    assert [path.name for path in result.paths] == ["talk.parquet", "talk.html", "talk.overlay.mp4"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pdf", "unknown exporter 'pdf'; there are: bids, boris, csv, elan"),
        ("raport", "unknown exporter 'raport'; did you mean 'report'?"),
        ("subprocess:Popen", "'subprocess' is part of Python's standard library"),
        (f"{HERE}:NeedsArguments", "missing a required argument: 'title'"),
        (f"{HERE}:Page", f"'report' and '{HERE}:Page' would both write"),
    ],
)
def test_a_wrong_exporter_is_wrong_usage_before_any_work(avfer, steady, clip, tmp_path, name, message):
    words = ["run", steady, "--input", clip, "--output", tmp_path / "out", "--export", "report", "--export", name]
    result = avfer(*words)
    assert result.code == 2 and message in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (find_format, f"{HERE}:WithoutSuffix", "avfer.export.TableFormat; the class WithoutSuffix lacks close, suffix"),
        (
            find_exporter,
            f"{HERE}:WithoutSuffix",
            "avfer.export.Exporter; the class WithoutSuffix lacks needs_frames, suffix",
        ),
        (find_exporter, f"{HERE}:NeedsArguments", r"NeedsArguments\(\): missing a required argument: .title"),
        (find_exporter, f"{HERE}:HERE", "not a value of type str"),
        (find_exporter, f"{HERE}:Absent", "cannot be imported"),
        (find_exporter, "reports", "did you mean 'report'?"),
    ],
)
def test_a_class_of_the_wrong_shape_is_a_config_error(find, name, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        find(name)
