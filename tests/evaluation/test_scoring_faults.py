"""Tables and settings that cannot be scored are errors, and a report of another corpus is kept."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import avfer
from avfer.errors import ConfigError, DatasetError, OutputError
from avfer.evaluation.evaluation_config import make_config
from avfer.evaluation.prediction_sources import OTHER_NAMES
from avfer.evaluation.report_warnings import report_warnings
from avfer.evaluation.scoring import score
from tests.evaluation.toy_corpus import STEPS, Toy, changed, configured, write_truth


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.assign(valence=t["valence"].map(lambda v: f"{v:.3f}".replace(".", ","))),
            "valence must be numeric",
        ),
        (lambda t: pd.concat([t, t.iloc[7:8]]), "1 row repeats a frame, 7 first"),
        (lambda t: t.drop(columns=["time_s"]), "no column time_s"),
        (lambda t: t.assign(time_s=t["time_s"].where(t["frame"] != 3)), "1 row has no time_s"),
        (
            lambda t: t.assign(valence=t["valence"].where(t["frame"] != 9, np.inf)),
            "column valence has 1 infinite value, the first at time_s 0.36; leave missing values empty",
        ),
    ],
)
def test_a_faulty_table_is_reported_with_its_recording(tmp_path, change, message):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    changed(folder / "dev_2.parquet", change)
    with pytest.raises(DatasetError, match="dev_2") as raised:
        score(configured(tmp_path))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"partition": "test"}, DatasetError, "has no partition test; available: train, dev"),
        ({"predictions": Path("nowhere")}, DatasetError, "no folder with predictions at nowhere"),
        (
            {"options": {"kinds": "action_units"}},
            DatasetError,
            "labelled with action units, but no prediction has values of these",
        ),
        (
            {"options": {"gap": STEPS}},
            DatasetError,
            "has no valid labels of valence, arousal, expression, action units in its 3 examples; choose another",
        ),
        ({"options": {"gapp": 1}}, ConfigError, "did you mean 'gap'?"),
        (
            {"delay": {"valence": 1.0}, "options": {"by": "frame", "kinds": "valence"}},
            ConfigError,
            "the seconds between two steps of",
        ),
        ({"corpus": "recolla"}, ConfigError, "did you mean 'recola'?"),
        ({"conventoin": "sample"}, ConfigError, "did you mean 'convention'?"),
        ({"convention": "biased"}, ConfigError, "convention: must be"),
        ({"pipeline": "aver"}, ConfigError, "not pipeline and predictions"),
        (
            {"settings": {"look.backbone": "dan"}},
            ConfigError,
            "settings: goes with pipeline only, but predictions is given; remove it (a test)",
        ),
        ({"weights": "best.safetensors"}, ConfigError, "weights: goes with model only"),
    ],
)
def test_an_evaluation_that_cannot_work_raises_an_error(tmp_path, keys, error, message):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    if "delay" in keys:
        for path in folder.iterdir():
            changed(path, lambda table: table.drop(columns="time_s"))
    with pytest.raises(error) as raised:
        score(configured(tmp_path, **keys))
    assert message in str(raised.value)


def test_predicted_expressions_that_are_no_class_are_listed(tmp_path):
    config = configured(tmp_path, options={"kinds": "expression"})
    for path in write_truth(tmp_path / "tables", Toy(tmp_path, "expression")).iterdir():
        changed(path, lambda t: t[["frame", "time_s"]].assign(expression=["Happy", "Contempt"] * (STEPS // 2)))
    report = score(config)
    assert report.facts[OTHER_NAMES] == "contempt" and report.expression
    assert report.expression.scores.steps.repeated > 0


def test_an_incomplete_partition_to_fit_on_is_named(tmp_path):
    (write_truth(tmp_path / "tables", Toy(tmp_path), "train", "dev") / "train_2.parquet").unlink()
    message = "post_processing is fitted on train, too: no prediction of valence for 1 of 3 labelled .* train_2"
    with pytest.raises(DatasetError, match=message):
        score(configured(tmp_path, post_processing=True))


@pytest.mark.parametrize(
    ("change", "by", "problem"),
    [
        (lambda t: t[t["frame"] < 0.8 * STEPS], "time", "ends before the last label"),
        (lambda t: t[t["frame"] < 0.8 * STEPS], "frame", "ends before the last label"),
        (lambda t: pd.concat([t, t.assign(frame=t["frame"] + STEPS)]), "frame", "has more frames than labels"),
        (lambda t: pd.concat([t, t.assign(time_s=t["time_s"] + 99, frame=t["frame"] + STEPS)]), "time", ""),
        (lambda t: t[t["frame"] < STEPS - 20], "frame", ""),
    ],
)
def test_tables_of_another_length_than_the_labels_are_named(tmp_path, change, by, problem):
    changed(write_truth(tmp_path / "tables", Toy(tmp_path)) / "dev_2.parquet", change)
    warnings = report_warnings(score(configured(tmp_path, options={"by": by})))
    found = [warning for warning in warnings if "at one frame rate (1, the first: dev_2)" in warning]
    assert len(found) == bool(problem) and all(f"recordings whose table {problem}: check" in one for one in found)


def test_a_damaged_table_raises_an_error(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    (folder / "dev_1.parquet").write_bytes(b"no table")
    with pytest.raises(DatasetError, match=r"dev_1\.parquet is not a Parquet file"):
        score(configured(tmp_path))


def test_a_folder_that_cannot_be_written_is_an_error_before_any_work(tmp_path, read_only_folder):
    (tmp_path / "file").touch()
    locked = read_only_folder / "new" / "out"
    for output, error, message in (
        (tmp_path / "file" / "out", ConfigError, f"output: {tmp_path / 'file'} is a file; choose a folder"),
        (locked, OutputError, f"{locked} cannot be written: {read_only_folder} is read-only; choose another"),
    ):
        with pytest.raises(error) as raised:
            score(configured(tmp_path, predictions=tmp_path / "absent", output=output))
        assert str(raised.value).startswith(message)


def test_the_home_folder_of_an_output_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert configured(tmp_path, output="~/out").output == tmp_path / "out"


def test_the_default_folder_keeps_the_report_of_another_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_truth(tmp_path / "tables", Toy(tmp_path))
    config = make_config(
        configured(tmp_path).model_dump(include={"corpus", "root", "partition", "predictions"}), "here"
    )
    path = tmp_path / "avfer_eval" / "report.json"
    avfer.evaluate(config, draws=50)
    avfer.evaluate(config, draws=50)  # the report of the same corpus is replaced
    other = json.dumps(json.loads(path.read_text()) | {"corpus": "recola"})
    path.write_text(other)
    with pytest.raises(ConfigError, match=r"is the report of recola; give .*--output avfer_eval/toy"):
        avfer.evaluate(config, draws=50)
    assert path.read_text() == other
    avfer.evaluate(config, draws=50, output=Path("avfer_eval"))  # where the folder is chosen
    assert path.read_text() != other
