"""A partition is scored from tables: the truth scores 1, filled steps are counted, protocols are compared."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import avfer
from avfer.errors import DatasetError
from avfer.evaluation.prediction_sources import OTHER_NAMES
from avfer.evaluation.report_sections import report_sections
from avfer.evaluation.scoring import score
from tests.evaluation.toy_corpus import (
    ALL,
    CLASSES,
    RECORDINGS,
    STEP,
    STEPS,
    Toy,
    changed,
    configured,
    write_truth,
)

VALID = RECORDINGS * (STEPS - 5)


@pytest.mark.parametrize("by", ["time", "frame"])
@pytest.mark.parametrize("convention", ["population", "sample"])
def test_predictions_equal_to_the_truth_score_exactly_one(tmp_path, by, convention):
    write_truth(tmp_path / "tables", Toy(tmp_path, ALL))
    report = avfer.evaluate(configured(tmp_path, convention=convention, options={"kinds": ALL, "by": by}))
    assert report.headline == dict.fromkeys(report.headline, 1.0)
    assert len(report.headline) == 6
    for dimension in report.dimensions.values():
        assert (dimension.scores.joined["ccc"], dimension.scores.mean["ccc"]) == (1.0, 1.0)
        assert (dimension.scores.joined["rmse"], dimension.scores.joined["sagr"]) == (0.0, 1.0)
        assert vars(dimension.scores.steps) == {
            "recordings": RECORDINGS,
            "annotated": RECORDINGS * STEPS,
            "valid": VALID,
            "predicted": VALID,
            "repeated": 0,
            "delayed": 0,
        }


def test_under_avec2018_the_truth_scores_slightly_less_than_one(tmp_path):
    write_truth(tmp_path / "tables", Toy(tmp_path, gap=0))
    report = score(configured(tmp_path, convention="avec2018", options={"gap": 0}))
    steps = RECORDINGS * STEPS
    assert report.headline["ccc_valence"] == pytest.approx((steps - 1) / steps, abs=1e-12)


@pytest.mark.parametrize("delay", [0.4, 2.0])
def test_undoing_a_known_delay_scores_one_over_predicted_steps_and_prints_both_counts(tmp_path, delay):
    shift = round(delay / STEP)
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    for path in folder.iterdir():
        changed(path, lambda table: table.assign(**table[["valence", "arousal"]].shift(-shift).ffill()))
    assert score(configured(tmp_path)).headline["ccc_valence"] < 0.999
    report = avfer.evaluate(configured(tmp_path, delay={"valence": delay, "arousal": delay}))
    filled = RECORDINGS * (shift - 5)  # the first five steps are not valid
    for dimension in report.dimensions.values():
        scores = dimension.scores
        assert scores.joined_own["ccc"] == 1.0
        assert scores.joined["ccc"] < 1.0
        assert (scores.steps.delayed, scores.steps.predicted) == (filled, VALID - filled)
    printed = (tmp_path / "out" / "report.md").read_text()
    assert f"| all steps joined | {VALID} |" in printed
    assert f"| without filled steps, joined | {VALID - filled} | 1.0000 |" in printed
    assert f"valence {delay:g} s, arousal {delay:g} s; undone" in printed


def test_steps_without_a_row_repeat_the_last_value_and_are_counted(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    for path in folder.iterdir():
        changed(path, lambda table: table[(table["frame"] < 100) | (table["frame"] >= 150)])
    report = score(configured(tmp_path))
    scores = report.dimensions["valence"].scores
    assert scores.steps.repeated == 50 * RECORDINGS
    assert scores.joined_own["ccc"] == 1.0
    assert scores.joined["ccc"] < 1.0
    labels = Toy(tmp_path).example("dev", 0).labels["valence"].values
    held = np.where((np.arange(STEPS) >= 100) & (np.arange(STEPS) < 150), labels[99], labels)
    expected = np.sqrt(np.mean((held - labels)[5:] ** 2))
    assert scores.recordings["dev_1"]["rmse"] == pytest.approx(expected)


def test_the_report_has_joined_and_mean_scores_and_the_configuration_chooses_the_headline(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    changed(folder / "dev_1.parquet", lambda table: table.assign(valence=table["valence"] * 0.5 + 0.2))
    joined, means = (score(configured(tmp_path, headline=name)) for name in ("joined", "recordings"))
    scores = means.dimensions["valence"].scores
    each = [scores.recordings[f"dev_{i + 1}"]["ccc"] for i in range(RECORDINGS)]
    assert each[0] < 1.0 and each[1:] == [1.0] * (RECORDINGS - 1)
    assert means.headline["ccc_valence"] == pytest.approx(np.mean(each))
    assert joined.headline["ccc_valence"] == scores.joined["ccc"] != means.headline["ccc_valence"]
    assert "the mean of the recordings" in means.facts["headline"]


def test_the_protocol_of_avec_2018_ges_drops_the_last_step_and_quotes_the_mean(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    for path in folder.iterdir():
        changed(path, lambda table: table.assign(valence=table["valence"].where(table["frame"] < STEPS - 1, -0.9)))
    assert score(configured(tmp_path)).headline["ccc_valence"] < 1.0
    report = score(configured(tmp_path, protocol="avec2018-ges"))
    assert report.headline["ccc_valence"] == 1.0
    assert (report.quoted, report.dimensions["valence"].scores.steps.valid) == ("recordings", VALID - RECORDINGS)


def test_expressions_and_units_are_scored_over_fixed_lists(tmp_path):
    toy = Toy(tmp_path, "expression action_units")
    folder = write_truth(tmp_path / "tables", toy)
    for path in folder.iterdir():
        changed(path, lambda table: table.drop(columns=["p_other", "au23"]))
    report = score(configured(tmp_path, options={"kinds": toy.kinds}))
    expression, units = report.expression, report.action_units
    assert expression and units
    assert expression.never_predicted == ("other",) and units.never_predicted == ("AU23",)
    assert expression.f1[CLASSES.index("other")] == 0.0 and units.f1[8] == 0.0
    assert expression.scores.joined["f1_macro"] == pytest.approx(expression.f1.sum() / 8)
    assert units.scores.joined["f1_macro"] == pytest.approx(11 / 12)
    assert report.facts["threshold of action units"] == "0.5 for all, not tuned"
    tuned = score(configured(tmp_path, options={"kinds": toy.kinds}, threshold=0.31))
    assert tuned.facts["threshold of action units"] == "0.31 for all, chosen by the user, not 0.5"
    (section,) = [section for section in report_sections(tuned) if section.title == "Action units"]
    assert "above 0.31; this threshold is chosen by the user, not 0.5." in section.text
    assert expression.confusion.sum() == VALID
    assert expression.confusion[-1, -1] == 0 and expression.confusion[-1].sum() == expression.support[-1] > 0


@pytest.mark.parametrize("metadata", [{b"weights": b"best.pt"}, {b"weights": b"[1]"}, {b"\xff": b"\xff"}])
def test_metadata_of_another_program_is_no_fault(tmp_path, metadata):
    for path in write_truth(tmp_path / "tables", Toy(tmp_path)).iterdir():
        pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    report = score(configured(tmp_path))
    assert report.headline == {"ccc_valence": 1.0, "ccc_arousal": 1.0} and report.weights == {}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_a_spreadsheet_is_scored(tmp_path, separator):
    for path in list(write_truth(tmp_path / "tables", Toy(tmp_path)).iterdir()):
        table = pd.read_parquet(path)
        table.to_csv(path.with_suffix(".csv"), index=False, sep=separator, encoding="utf-8-sig")
        path.unlink()
    assert score(configured(tmp_path)).headline == {"ccc_valence": 1.0, "ccc_arousal": 1.0}


@pytest.mark.parametrize(
    "spelled", [CLASSES, ("Neutral", "Angry", "Disgusted", "Fearful", " Happy", "sad", "Surprised", "other")]
)
def test_a_table_with_expression_names_but_no_probabilities_is_scored(tmp_path, spelled):
    folder = write_truth(tmp_path / "tables", toy := Toy(tmp_path, "expression"))
    names = np.array(spelled)
    for i in range(RECORDINGS):
        classes = toy.example("dev", i).labels["expression"].values
        table = pd.DataFrame(
            {"frame": np.arange(STEPS), "time_s": np.arange(STEPS) * STEP, "expression": names[classes]}
        )
        table.to_parquet(folder / f"dev_{i + 1}.parquet")
    report = score(configured(tmp_path, options={"kinds": "expression"}))
    assert report.headline["expression_accuracy"] == 1.0 and OTHER_NAMES not in report.facts


def test_post_processing_is_reported_raw_smoothed_and_fitted_on_train_and_dev(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path), "train", "dev")
    for path in folder.iterdir():
        changed(path, lambda table: table.assign(valence=0.5 * table["valence"] + 0.2, arousal=table["arousal"]))
    report = avfer.evaluate(configured(tmp_path, post_processing=True, smoothing=2))
    variants = report.dimensions["valence"].variants
    names = ["raw", "smoothed", "fitted on train", "fitted on dev (optimistic)"]
    assert [(v.name, v.optimistic) for v in variants] == [(name, "dev" in name) for name in names]
    assert variants[0].joined == report.headline["ccc_valence"]
    assert variants[0].joined < variants[2].joined and variants[3].joined == pytest.approx(1.0)
    assert any(", kept" in trial for trial in variants[2].trials)
    assert report.notes["a note of the reader"][0] == 1  # those of train are left out
    assert "fitted on dev (optimistic)" in (tmp_path / "out" / "report.html").read_text()


def test_without_predictions_of_train_nothing_is_fitted_on_train(tmp_path):
    write_truth(tmp_path / "tables", Toy(tmp_path))
    report = score(configured(tmp_path, post_processing=True))
    assert [v.name for v in report.dimensions["valence"].variants] == ["raw", "fitted on dev (optimistic)"]
    assert any("valence is not fitted on train" in note for note in report.notes)


def test_predictions_without_times_are_smoothed_by_frames(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    timed = score(configured(tmp_path, smoothing=5, options={"by": "frame"}))
    for path in folder.iterdir():
        changed(path, lambda table: table.drop(columns="time_s"))
    report = score(configured(tmp_path, smoothing=5, options={"by": "frame"}))
    assert [v.name for v in report.dimensions["valence"].variants] == ["raw", "smoothed"]
    assert report.dimensions["valence"].variants == timed.dimensions["valence"].variants
    assert not any("not in the post-processing" in note for note in report.notes)
    titles = [section.title for section in report_sections(report)]
    assert "Post-processing of valence" in titles and not any("tried" in title for title in titles)


def test_recordings_without_times_are_noted_as_not_post_processed(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    changed(folder / "dev_2.parquet", lambda table: table.drop(columns="time_s"))
    report = score(configured(tmp_path, post_processing=True, options={"by": "frame"}))
    note = "recordings without known seconds between two steps: not in the post-processing of valence"
    assert report.notes[note] == (1, "dev_2")


def test_a_recording_without_a_table_is_an_error_or_scored_as_neutral(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    (folder / "dev_2.parquet").unlink()
    with pytest.raises(
        DatasetError, match=r"no prediction of valence for 1 of 3 labelled recordings: dev_2; .*neutral"
    ):
        score(configured(tmp_path))
    report = score(configured(tmp_path, absent="neutral"))
    assert report.dimensions["valence"].scores.steps.repeated == STEPS - 5
    assert report.dimensions["valence"].scores.recordings["dev_2"]["ccc"] == 0.0
    assert "scored as neutral" in report.facts["recordings without a prediction"]


def test_a_kind_without_predictions_is_noted_and_not_scored(tmp_path):
    write_truth(tmp_path / "tables", Toy(tmp_path, "valence"))
    report = score(configured(tmp_path, options={"kinds": "valence expression"}))
    assert (list(report.dimensions), report.expression) == (["valence"], None)
    assert report.notes["labelled with expression, but without any prediction: not scored"] == (RECORDINGS, "")


def test_intervals_draw_subjects(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    changed(folder / "dev_1.parquet", lambda table: table.assign(valence=-table["valence"]))
    report = score(configured(tmp_path))
    found = report.dimensions["valence"].scores.intervals["ccc"]
    assert found.low < report.headline["ccc_valence"] < found.high == 1.0
    assert (found.groups, found.draws) == (RECORDINGS, 50)
    assert "draws of subjects" in report.facts["interval"]


def test_a_report_states_its_whole_protocol(tmp_path):
    write_truth(tmp_path / "tables", Toy(tmp_path, ALL))
    avfer.evaluate(configured(tmp_path, options={"kinds": ALL}))
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    markdown, page = ((tmp_path / "out" / f"report.{kind}").read_text() for kind in ("md", "html"))
    for fact in (
        "corpus",
        "partition",
        "labels",
        "CCC",
        "headline",
        "post-processing",
        "classes",
        "interval",
        "software",
    ):
        assert content["facts"][fact] and f"| {fact} |" in markdown and f">{fact}</td>" in page
    assert content["dimensions"]["valence"]["scores"]["recordings"]["dev_3"]["ccc"] == 1.0
    keys = ["recordings", "annotated", "valid", "predicted", "repeated", "delayed"]
    assert list(content["dimensions"]["valence"]["scores"]["steps"]) == keys
    assert content["notes"]["a note of the reader"][0] == 1
    assert page.count("<svg") == 2 + 1 + RECORDINGS
    assert not re.search(r"(src|href)=|https?://|<script", page)
