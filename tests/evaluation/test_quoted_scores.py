"""The numbers that a report quotes: joined scores or means over recordings, their intervals, and what is left out."""

from dataclasses import replace

import numpy as np
import pytest

from avfer.errors import DatasetError
from avfer.evaluation.report_sections import headline_rows
from avfer.evaluation.report_warnings import report_warnings
from avfer.evaluation.scoring import score
from tests.evaluation.toy_corpus import ALL, RECORDINGS, Toy, changed, configured, walk, write_truth


def test_a_recording_of_one_constant_has_no_ccc_of_its_own(tmp_path, monkeypatch):
    write_truth(tmp_path / "tables", Toy(tmp_path))
    changed(tmp_path / "tables" / "dev_2.parquet", lambda table: table.assign(valence=0.0))
    monkeypatch.setattr("tests.evaluation.toy_corpus.walk", lambda seed: walk(seed) * (seed != 10))
    report = score(configured(tmp_path))
    assert np.isnan(report.dimensions["valence"].scores.recordings["dev_2"]["ccc"])
    assert report.dimensions["valence"].scores.mean["ccc"] == report.headline["ccc_valence"] == 1.0


def test_all_kinds_of_labels_are_quoted_as_the_headline_says(tmp_path):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path, ALL))
    changed(folder / "dev_1.parquet", lambda t: t.assign(p_neutral=1.0, au01=1.0))
    report = score(configured(tmp_path, options={"kinds": ALL, "called": "aff_wild2"}, headline="recordings"))
    assert report.expression and report.action_units and report.challenge
    for kind, scores in (("expression", report.expression.scores), ("action_units", report.action_units.scores)):
        quoted = report.headline[f"{kind}_f1_macro"]
        assert quoted == scores.mean["f1_macro"] != scores.joined["f1_macro"]
        assert (f"{kind.replace('_', ' ')}, macro-F1", f"{quoted:.4f}") in [row[:2] for row in headline_rows(report)]
    joined = report.expression.scores.joined["f1_macro"] + report.action_units.scores.joined["f1_macro"] + 1
    assert report.challenge.score == pytest.approx(joined)
    assert headline_rows(report)[-1][0].endswith(", all steps joined")


def test_intervals_of_means_draw_subjects_with_all_their_recordings(tmp_path, monkeypatch):
    folder = write_truth(tmp_path / "tables", Toy(tmp_path))
    changed(folder / "dev_1.parquet", lambda table: table.assign(valence=-table["valence"]))
    example = Toy.example
    monkeypatch.setattr(Toy, "example", lambda *given: replace(example(*given), subject=f"s{given[-1] // 2}"))
    report = score(configured(tmp_path, headline="recordings"))
    assert report.dimensions["valence"].scores.mean_intervals["ccc"].groups == 2
    assert any("drawn from 2 subjects only" in warning for warning in report_warnings(report))


def test_units_without_a_step_that_has_all_of_them_are_noted(tmp_path, monkeypatch):
    write_truth(tmp_path / "tables", Toy(tmp_path, ALL))
    example = Toy.example

    def without_unit(*given):
        found = example(*given)
        if "action_units" in found.labels:
            found.labels["action_units"].valid[:, 3] = False
        return found

    monkeypatch.setattr(Toy, "example", without_unit)
    report = score(configured(tmp_path, options={"kinds": "valence action_units"}))
    note = "no step with labels of all 12 action units (never labelled, remove from the labels: AU6): not scored"
    assert report.action_units is None and report.notes[note] == (RECORDINGS, "")
    assert f"{note} ({RECORDINGS})" in report_warnings(report)
    with pytest.raises(DatasetError, match=r"remove from the labels: AU6.*, and no other labels"):
        score(configured(tmp_path, options={"kinds": "action_units"}))
