"""Published results beside those of an evaluation, and the score P of the challenge with the same labels."""

import pytest

import avfer
from avfer.evaluation.scoring import score
from tests.evaluation.toy_corpus import ALL, Toy, configured, write_truth


@pytest.mark.parametrize(
    ("partition", "there", "absent"),
    [("dev", "official baseline 2023-2026", "ABAW5"), ("test", "ABAW5 2023", "RAS 2026")],
)
def test_published_rows_are_of_the_same_partition(tmp_path, partition, there, absent):
    options = {"called": "aff_wild2", "partitions": ["dev", "test"]}
    write_truth(tmp_path / "tables", Toy(tmp_path), partition)
    report = avfer.evaluate(configured(tmp_path, partition=partition, options=options))
    (table,) = report.published
    systems = [row.system for row in table.rows]
    assert any(there in system for system in systems)
    assert not any(absent in system for system in systems)
    assert report.challenge and (report.challenge.task, report.challenge.score) == ("va", 1.0)
    text = (tmp_path / "out" / "report.md").read_text()
    assert (
        f"## Published on aff_wild2, {partition}" in text and "| this evaluation | 1.0000 | 1.0000 | 1.0000 |" in text
    )


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"headline": "recordings"}, "their headline is joined"),
        ({"convention": "sample"}, "their convention is population"),
    ],
)
def test_published_rows_under_another_protocol_are_left_out_with_a_note(tmp_path, keys, reason):
    write_truth(tmp_path / "tables", Toy(tmp_path))
    report = score(configured(tmp_path, options={"called": "aff_wild2"}, **keys))
    assert report.published == ()
    assert any(reason in note for note in report.notes)


@pytest.mark.parametrize("kind", ["expression", "action_units"])
def test_joined_published_rows_are_not_beside_means_over_recordings(tmp_path, kind):
    write_truth(tmp_path / "tables", Toy(tmp_path, kind))
    config = configured(tmp_path, options={"kinds": kind, "called": "aff_wild2"}, headline="recordings")
    assert score(config).published == ()


def test_train_has_no_published_rows(tmp_path):
    write_truth(tmp_path / "tables", Toy(tmp_path), "train")
    assert score(configured(tmp_path, partition="train", options={"called": "aff_wild2"})).published == ()


@pytest.mark.parametrize(
    ("kinds", "task", "p"),
    [
        ("valence arousal", "va", 1.0),
        ("expression", "expr", 1.0),
        ("action_units", "au", 1.0),
        (ALL, "mtl", 3.0),
    ],
)
def test_p_is_that_of_the_challenge_with_the_same_labels(tmp_path, kinds, task, p):
    write_truth(tmp_path / "tables", Toy(tmp_path, kinds))
    report = score(configured(tmp_path, options={"kinds": kinds, "called": "aff_wild2"}))
    assert report.challenge and report.challenge.task == task
    assert report.challenge.score == pytest.approx(p)
    assert [table.task for table in report.published] == [task]


def test_p_of_an_earlier_challenge_follows_its_own_rule(tmp_path):
    write_truth(tmp_path / "tables", Toy(tmp_path, "expression"))
    report = score(configured(tmp_path, challenge=2020, options={"kinds": "expression", "called": "aff_wild2"}))
    assert report.challenge and report.challenge.rule == "0.67 f1_macro + 0.33 accuracy"
