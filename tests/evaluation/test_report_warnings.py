"""Warnings of an evaluation: few recordings behind an interval, classes and units without a label."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.report_rendering import Section, render_html, render_markdown
from avfer.evaluation.report_sections import format_score, report_sections
from avfer.evaluation.report_warnings import absent_note, name_notes, report_warnings
from avfer.evaluation.scoring import evaluate
from tests.evaluation.toy_corpus import NAME, RECORDINGS, Toy, write_truth


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the report of three recordings with four kinds of labels."""
    folder = tmp_path_factory.mktemp("toy")
    kinds = "valence arousal expression action_units"
    write_truth(folder / "tables", Toy(folder, kinds))
    options = {"kinds": kinds}
    config = {"corpus": NAME, "root": folder, "partition": "dev", "options": options, "draws": 20}
    return evaluate(EvalConfig.model_validate(config | {"predictions": folder / "tables", "output": folder / "out"}))


def test_intervals_of_few_recordings_have_one_warning(report):
    (few,) = [warning for warning in report_warnings(report) if "interval" in warning]
    assert few.startswith("valence, arousal, expression and action units: the intervals are drawn from")
    assert f"drawn from {RECORDINGS} subjects only" in few


def test_kinds_with_few_predictions_of_their_own_are_named(report):
    dimension = report.dimensions["valence"]
    steps = replace(dimension.scores.steps, valid=100, predicted=49, repeated=51)
    few = replace(report, dimensions={"valence": replace(dimension, scores=replace(dimension.scores, steps=steps))})
    (warning,) = [warning for warning in report_warnings(few) if "filled" in warning]
    assert warning.startswith("valence: only 49 of 100 scored steps have a prediction of their own")


def test_a_ccc_that_is_not_defined_is_named(report):
    dimension = report.dimensions["valence"]

    def with_scores(joined, first):
        recordings = dimension.scores.recordings | {"dev_1": {"ccc": first}}
        scores = replace(dimension.scores, joined={"ccc": joined}, recordings=recordings)
        return report_warnings(replace(report, dimensions={"valence": replace(dimension, scores=scores)}))

    assert not any("not defined" in warning for warning in with_scores(0.5, 0.5))
    assert with_scores(0.5, np.nan)[0].startswith("valence: the CCC of 1 of 3 recordings (the first: dev_1) is not")
    assert with_scores(np.nan, np.nan)[0].startswith("valence: the CCC is not defined: labels and predictions are one")


def test_small_negative_scores_are_printed_without_a_sign():
    assert (format_score(-1e-6), format_score(-0.00005001)) == ("0.0000", "-0.0001")


def test_absent_classes_are_named_with_the_mean_of_the_others(report):
    found = report.expression
    support = np.array([0, 0, *[5] * (len(found.classes) - 2)])
    f1 = np.where(support > 0, 0.5, 0.0)
    few = replace(report, expression=replace(found, support=support, f1=f1), action_units=None)
    warning = report_warnings(few)[0]
    assert warning.startswith(f"expression: no scored step is labelled {found.classes[0]} and {found.classes[1]}.")
    assert f"over all {len(support)}; the mean F1 of the other {len(support) - 2} is 0.5000" in warning
    scores, by_class = (
        next(s for s in report_sections(few) if s.title == t) for t in ("Scores", "Expression by class")
    )
    assert ("expression, macro-F1", f"2 of {len(support)} absent, F1 0 each") in [
        (row[0], row[-1]) for row in scores.rows
    ]
    assert [row[-1] for row in by_class.rows[:3]] == ["absent in the labels"] * 2 + [""]


def test_labelled_names_that_are_never_predicted_are_named(report):
    few = replace(report, expression=replace(report.expression, never_predicted=("fear", "other")), action_units=None)
    assert "expression: the predictions do not have fear and other. Their F1 is 0 and lowers the macro-F1." in (
        report_warnings(few)
    )
    without = replace(few.expression, support=np.where(np.isin(few.expression.classes, ("fear", "other")), 0, 5))
    assert not any("do not have" in warning for warning in report_warnings(replace(few, expression=without)))


def test_a_report_without_limits_has_no_warning(report):
    without = replace(report, dimensions={}, expression=None, action_units=None)
    assert report_warnings(without) == []


def test_names_without_label_or_prediction_have_a_note():
    support = np.array([3, 0, 0, 2])
    notes = name_notes(("a", "b", "c", "d"), support, ("c", "d"))
    assert notes == ["", "absent in the labels", "absent in the labels, never predicted", "never predicted"]
    assert absent_note(("a", "b", "c", "d"), support) == "2 of 4 absent, F1 0 each"
    assert absent_note(("a",), np.array([1])) == ""


def test_warnings_are_in_the_section_of_scores_of_every_format(report):
    scores = report_sections(report)[0]
    assert scores.warnings == tuple(report_warnings(report)) != ()
    page, text = render_html("a", [scores]), render_markdown("a", [scores])
    assert '<ul class="warning">' in page and f"**Warning:** {scores.warnings[0]}" in text


def test_long_tables_have_search_and_pages_with_numbers_in_order_of_value():
    rows = tuple((f"recording {number}", f"{number / 1000:.4f}" if number else "–") for number in range(300))
    page = render_html("a", [Section("Recordings", heads=("recording", "CCC"), rows=rows)])
    data = json.loads(page.split('id="table-0">')[1].split("</script>")[0])
    assert [column["kind"] for column in data["columns"]] == ["text", "score"]
    assert data["rows"][:2] == [["recording 0", None], ["recording 1", 0.001]]
    assert "<script>" not in render_html("a", [Section("Recordings", heads=("recording", "CCC"), rows=rows[:9])])


def test_a_command_can_be_copied_from_every_format():
    section = Section("Next", command="avfer evaluate --corpus <mine>")
    assert '<pre class="command">avfer evaluate --corpus &lt;mine&gt;</pre>' in render_html("a", [section])
    assert "```console\n$ avfer evaluate --corpus <mine>\n```" in render_markdown("a", [section])
