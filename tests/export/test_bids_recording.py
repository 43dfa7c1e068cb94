"""Continuous recordings of BIDS, read back by independent readers."""

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avfer.errors import AvferWarning
from avfer.export import find_exporter
from avfer.export.exporters import bids_recording
from avfer.export.person_rows import clips_of
from tests.export.exporter_tables import TWO, every_table, make_table, write

# A recording of BIDS made from a table at a variable rate warns.
pytestmark = pytest.mark.filterwarnings("ignore:the steps between the rows of:avfer.errors.AvferWarning")


@every_table
def test_bids_has_every_instant_and_a_sidecar_with_its_columns(tmp_path, table):
    path = write("bids", table, tmp_path)
    clip = clips_of(table)[0]
    for number, person in enumerate(clip.people):
        own = bids_recording._person_path(path, person, number)
        sidecar = json.loads((tmp_path / own.name.replace(".tsv.gz", ".json")).read_text())
        frame = pd.read_csv(own, sep="\t", header=None, names=sidecar["Columns"], na_values="n/a")
        np.testing.assert_allclose(frame["timestamp"], clip.starts, atol=5e-7)
        if "arousal" in frame:
            known = np.isin(clip.starts, person.starts)
            np.testing.assert_allclose(frame["arousal"][known], person.numbers("arousal"), rtol=1e-6)
            assert frame["arousal"][~known].isna().all()
        assert sidecar["StartTime"] == 0 and sidecar["SamplingFrequency"] > 0


def test_bids_warns_of_rows_that_fit_no_constant_frequency(tmp_path):
    times = [*(np.arange(10) / 25).tolist(), 1.0]
    table = make_table(times, [(frame, 1) for frame in range(11)])
    with pytest.warns(AvferWarning, match=r"talk.mp4 vary: .* wrong by up to 0.54 s; read them from the column timest"):
        write("bids", table, tmp_path)


@pytest.mark.parametrize(("late", "warns"), [(0.05, False), (0.3, True)])
def test_bids_warns_from_an_error_of_a_step_on(tmp_path, late, warns):
    """Nine steps of 0.1 s and one that is later, so that computed times are wrong by up to 0.9 times as much."""
    table = make_table([*(np.arange(10) / 10).tolist(), 1 + late], [(frame, 1) for frame in range(11)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write("bids", table, tmp_path)
    assert bool(caught) == warns


@pytest.mark.filterwarnings("error")
def test_times_in_ms_do_not_change_the_sampling_frequency_of_bids(tmp_path):
    times = (np.arange(300) * 1001 / 30_000).round(3).tolist()  # 29.97 Hz in a Matroska file
    write("bids", make_table(times, [(frame, 1) for frame in range(300)]), tmp_path)
    sidecar = json.loads((tmp_path / "talk_physio.json").read_text())
    assert sidecar["SamplingFrequency"] == pytest.approx(30_000 / 1001, rel=1e-4)


def test_the_second_person_of_bids_has_a_recording_label(tmp_path):
    exporter = find_exporter("bids")
    path = tmp_path / "sub-01_task-talk_recording-face_physio.tsv.gz"
    exporter.write(TWO, Path("talk.mp4"), path)
    names = {"sub-01_task-talk_recording-face_physio", "sub-01_task-talk_recording-faceperson2_physio"}
    assert {file.name for file in tmp_path.iterdir()} == {name + end for name in names for end in (".tsv.gz", ".json")}
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 60


def test_a_sidecar_of_bids_describes_the_recording(tmp_path):
    table = make_table([2.0, 2.1, 2.2, 3.0], [(0, 1), (1, 1), (2, 1), (2, 2), (3, 2)])
    exporter = find_exporter("bids")
    exporter.write(table, Path("talk.mp4"), tmp_path / "a_physio.tsv.gz")
    first = json.loads((tmp_path / "a_physio.json").read_text())
    second = json.loads((tmp_path / "a_recording-person2_physio.json").read_text())
    assert (first["SamplingFrequency"], first["StartTime"]) == (3.0, 2.0)
    assert (first["Person"], second["Person"]) == ("person 1", "person 2")
    assert (first["SourceFile"], first["SoftwareVersions"]) == ("talk.mp4", "0.1.0")
    assert first["timestamp"]["Units"] == "s" and first["yaw_deg"]["Units"] == "deg"
    assert first["valence"]["Description"] == "Valence, negative to positive"
    assert (first["valence"]["Minimum"], first["valence"]["Maximum"]) == (-1, 1)
    lines = gzip.decompress((tmp_path / "a_recording-person2_physio.tsv.gz").read_bytes()).decode().splitlines()
    arousal = second["Columns"].index("arousal")
    assert [line.split("\t")[0] for line in lines] == ["2", "2.1", "2.2", "3"]
    assert [line.split("\t")[arousal] == "n/a" for line in lines] == [True, True, False, False]


def test_equal_values_give_equal_bytes_of_bids(tmp_path, monkeypatch):
    files = []
    for name, now in (("a", 1e9), ("b", 1.1e9)):
        (tmp_path / name).mkdir()
        monkeypatch.setattr("time.time", lambda now=now: now)
        files.append(write("bids", TWO, tmp_path / name).read_bytes())
    assert files[0] == files[1]
