"""What holds for every exporter: whole files, options, refused tables."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from avfer.errors import ConfigError, DatasetError
from avfer.export import find_exporter
from avfer.export.table_segments import read_kinds
from tests.export.exporter_tables import TABLES, TWO, every_table, expected_segments, make_table, write

EXPORTERS = ("openface", "fex", "elan", "praat", "boris", "webvtt", "bids", "csv", "xlsx", "spss", "segments")

# A recording of BIDS made from a table at a variable rate warns.
pytestmark = pytest.mark.filterwarnings("ignore:the steps between the rows of:avfer.errors.AvferWarning")


@every_table
@pytest.mark.parametrize("name", EXPORTERS)
def test_every_table_can_be_exported(tmp_path, name, table):
    assert write(name, table, tmp_path).stat().st_size


def test_boris_writes_no_row_for_a_clip_without_values(tmp_path):
    assert write("boris", TABLES["no face"], tmp_path).read_text() == "time_s\tvalence\tarousal\n"


@pytest.mark.parametrize("name", ["praat", "boris"])
@pytest.mark.parametrize("column", ["au99", "expression"])
def test_a_column_without_numbers_is_an_error(tmp_path, name, column):
    with pytest.raises(DatasetError, match=f"columns: the table has no numbers in {column}; it has face_score, "):
        write(name, TWO, tmp_path, columns=["valence", column])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["openface", "fex"])
def test_a_table_without_frames_is_an_error(tmp_path, name):
    with pytest.raises(DatasetError, match="the table has no column frame; give it as avfer run wrote it"):
        write(name, TWO.drop_columns(["frame"]), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_rules_of_events_can_be_changed(tmp_path):
    events = read_kinds(["smile.on=0.99", "smile.off=0.98"])
    assert len(pd.read_csv(write("segments", TWO, tmp_path, events=events))) < len(
        [one for segments in expected_segments(TWO).values() for one in segments]
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("csv", {"decimal": "comma"}, "a comma needs another delimiter"),
        ("csv", {"delimiter": "|"}, "delimiter: must be 'comma', 'semicolon' or 'tab', got '|'"),
        ("csv", {"separator": "tab"}, "exporter 'csv': unknown option 'separator'; there are: decimal, delimiter"),
        ("openface", {"presense": 0.5}, "exporter 'openface': unknown option 'presense'; did you mean 'presence'?"),
        ("openface", {"presence": 2}, "presence: must be in [0, 1], got 2"),
        ("boris", {"columns": "au12"}, "columns: must be a list such as [a, b], got 'au12'"),
    ],
)
def test_a_wrong_option_is_a_config_error(name, options, message):
    with pytest.raises(ConfigError) as error:
        find_exporter(name, options)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["openface", "elan", "praat", "boris", "webvtt", "bids"])
def test_a_table_of_several_clips_or_without_rows_is_refused(tmp_path, name):
    several = pa.concat_tables([TWO, make_table([0.0], [(0, 1)], clip="other.mp4")])
    for table, message in ((several, "2 clips"), (TWO.slice(0, 0), "no rows")):
        with pytest.raises(ConfigError, match=message):
            find_exporter(name).write(table, Path("talk.mp4"), tmp_path / "a.x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", EXPORTERS)
def test_an_error_while_writing_leaves_the_existing_file(tmp_path, name, monkeypatch):
    exporter = find_exporter(name)
    path = tmp_path / f"talk{exporter.suffix}"
    path.write_text("mine")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(Exception, match="No space left"):
        exporter.write(TWO, Path("talk.mp4"), path)
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]
