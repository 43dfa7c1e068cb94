"""The agreement of a table with a coding is the one computed by hand, in every format.

The expression is coded on frames 0-39; 35 of these 40 agree:

    coded \\ predicted   neutral  happiness
    neutral                  20          0      kappa = (35/40 - 0.5) / (1 - 0.5), by chance (20 x 25 + 20 x 15) / 1600
    happiness                 5         15      alpha = 1 - (5/40) / (2 x 45 x 35 / (80 x 79))

AU12 is coded on frames 20-34 and predicted on 25-44: 10 hits, 10 false alarms, 5 misses, 25 rejections. Valence is
coded as 0.0 and 0.5, 20 frames each, and predicted so on 25 and 15 of them: CCC = 2 x 0.046875 / 0.125.
"""

import json

import numpy as np
import pyarrow as pa
import pytest

from avfer.codings.columns import CodedColumn
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.coded_recordings import CodingOptions
from avfer.evaluation.coding_agreement import agree
from tests.codings.made import MARKS, WRITERS, write_boris_project, write_csv
from tests.evaluation.coded_tables import FRAMES, make_table, save_table

BY_HAND = {
    ("expression", "kappa"): 0.75,
    ("expression", "alpha"): 1 - (5 / 40) / (2 * 45 * 35 / (80 * 79)),
    ("expression", "accuracy"): 35 / 40,
    ("au12", "f1"): 20 / 35,
    ("au12", "kappa"): (35 / 50 - 0.54) / (1 - 0.54),
    ("valence", "ccc"): 2 * 0.046875 / 0.125,
}


def values_of(agreement):
    return {(score.column, score.measure): score.value for score in agreement.scores}


def by_hand(agreement):
    """The scores that were computed by hand."""
    values = values_of(agreement)
    return {key: values[key] for key in BY_HAND}


@pytest.fixture
def table(tmp_path):
    return save_table(tmp_path / "talk.parquet")


def test_tables_of_several_pipelines_are_noted(tmp_path):
    for name in ("one", "two"):
        table = make_table(f"{name}.mp4").replace_schema_metadata({"pipeline_sha256": f"of {name}"})
        save_table(tmp_path / f"{name}.parquet", table)
        write_csv(tmp_path / f"{name}.csv")
    assert any("made by 2 different pipelines" in note for note in agree(tmp_path, tmp_path).notes)


@pytest.mark.parametrize("name", WRITERS)
def test_a_coding_in_every_format_gives_the_agreement_computed_by_hand(tmp_path, table, name):
    coding = WRITERS[name](tmp_path / name)
    found = agree(table, coding)
    values = values_of(found)
    assert {key: values[key] for key in BY_HAND} == {
        key: pytest.approx(value, abs=1e-6) for key, value in BY_HAND.items()
    }
    moments = {score.column: (score.moments, score.unpredicted, score.clips) for score in found.scores}
    assert moments == {"valence": (40, 0, 1), "expression": (40, 0, 1), "au12": (50, 0, 1)}


def test_one_clip_has_no_interval_and_says_so(tmp_path, table):
    found = agree(table, write_csv(tmp_path / "talk.csv"))
    assert all(np.isnan(score.low) and np.isnan(score.high) for score in found.scores)
    assert any("fewer than ten clips are unreliable; clips: valence 1, expression 1, au12 1" in n for n in found.notes)


def test_a_series_gives_the_agreement_of_its_intervals(tmp_path, table):
    rows = ["time_s,valence,expression,au12"]
    for frame in range(FRAMES):
        coded = ("0.0,neutral" if frame < 20 else "0.5,happy") if frame < 40 else ","
        rows.append(f"{frame / 25:.2f},{coded},{int(20 <= frame < 35)}")
    (tmp_path / "talk.csv").write_text("\n".join(rows) + "\n")
    values = values_of(agree(table, tmp_path / "talk.csv"))
    assert {key: values[key] for key in BY_HAND} == {
        key: pytest.approx(value, abs=1e-6) for key, value in BY_HAND.items()
    }


def test_the_offset_is_added_to_the_times_of_the_coding(tmp_path, table):
    late = [(name, start + 10, stop + 10, value) for name, start, stop, value in MARKS]
    found = agree(table, write_csv(tmp_path / "talk.csv", late), CodingOptions(offset=-10.0))
    assert values_of(found)["expression", "kappa"] == pytest.approx(0.75)


def test_moments_without_an_expression_count_as_the_rest(tmp_path, table):
    marks = [("expression", 0.8, 1.6, "happiness")]
    found = agree(table, write_csv(tmp_path / "talk.csv", marks), CodingOptions(rest="neutral"))
    assert found.scores[0].moments == 50
    assert values_of(found)["expression", "accuracy"] == pytest.approx(35 / 50)


def test_tiers_are_mapped_to_columns_and_classes(tmp_path, table):
    marks = [("calm", 0.0, 0.8, ""), ("joy", 0.8, 1.6, ""), ("smile", 0.8, 1.4, "x"), ("speech", 0.0, 1.0, "hello")]
    mapping = {"calm": CodedColumn("expression", "neutral"), "smile": CodedColumn("au12")}
    values = values_of(agree(table, write_boris_project(tmp_path / "a.boris", marks), CodingOptions(mapping)))
    assert values["expression", "kappa"] == pytest.approx(0.75)
    assert values["au12", "f1"] == pytest.approx(20 / 35)


def test_a_mapped_tier_that_does_not_exist_is_an_error(tmp_path, table):
    coding = write_csv(tmp_path / "talk.csv")
    with pytest.raises(ConfigError, match="unknown tier 'AU13'; did you mean 'AU12'"):
        agree(table, coding, CodingOptions({"AU13": CodedColumn("au12")}))


def test_a_coding_without_a_known_tier_lists_its_tiers(tmp_path, table):
    with pytest.raises(DatasetError, match=r"found: 'words'; map one with --map TIER=COLUMN"):
        agree(table, write_csv(tmp_path / "talk.csv", [("words", 0, 1, "yes")]))


def test_activations_need_a_threshold(tmp_path):
    table = save_table(tmp_path / "talk.parquet", make_table(scale="activation"))
    coding = write_csv(tmp_path / "talk.csv")
    with pytest.raises(ConfigError, match="--threshold: must be given"):
        agree(table, coding)
    found = agree(table, coding, threshold=0.05)
    assert values_of(found)["au12", "f1"] == pytest.approx(30 / (30 + 35))
    assert found.facts["threshold"] == "an action unit is predicted above 0.05"


def test_a_table_without_a_scale_is_noted(tmp_path):
    table = save_table(tmp_path / "talk.parquet", make_table(scale=None))
    found = agree(table, write_csv(tmp_path / "talk.csv"))
    assert any("do not state the scale" in note for note in found.notes)


def test_classes_and_units_that_never_occur_are_noted(tmp_path, table):
    marks = [("expression", 0.0, 2.0, "contempt"), ("AU12", 0.0, 1.0, "0"), ("AU99", 0.0, 1.0, "1")]
    found = agree(table, write_csv(tmp_path / "talk.csv", marks))
    text = "\n".join(found.notes)
    assert "classes that never occur in the scored coding: happiness, neutral" in text
    assert "do not predict, each a disagreement: contempt" in text
    assert "au12 never occurs in the scored coding: it has no F1" in text
    assert "au99 is coded, but no table has this column" in text
    assert np.isnan(values_of(found)["au12", "f1"])


def test_coded_moments_without_a_prediction_are_counted_and_not_scored(tmp_path):
    valence = pa.array([None] * 10 + [0.0] * 15 + [0.5] * 25, pa.float32())
    table = save_table(tmp_path / "talk.parquet", make_table(valence=valence))
    found = agree(table, write_csv(tmp_path / "talk.csv"))
    assert [(s.moments, s.unpredicted) for s in found.scores if s.column == "valence"] == [(30, 10)] * 3


def test_probabilities_of_units_are_occurrences_above_one_half(tmp_path):
    """AU12 is 0.4 on frames 0-24 and 0.6 on 25-44; coded on 20-34, it is hit on ten frames as with 0.1 and 0.9."""
    au12 = np.where(np.arange(FRAMES) < 25, 0.4, np.where(np.arange(FRAMES) < 45, 0.6, 0.5)).astype(np.float32)
    found = agree(save_table(tmp_path / "talk.parquet", make_table(au12=au12)), write_csv(tmp_path / "talk.csv"))
    assert values_of(found)["au12", "f1"] == pytest.approx(20 / 35)


def test_the_mean_f1_is_that_of_the_units_that_are_coded_as_present(tmp_path):
    """AU01 is predicted on 25 frames and coded on all of 0 to 39, 15 hits; AU02 is never coded; AU12 as above."""
    happy = np.where(np.arange(FRAMES) < 25, 0.1, 0.9).astype(np.float32)
    au01 = np.where(np.arange(FRAMES) < 40, happy, np.nan).astype(np.float32)
    table = save_table(tmp_path / "talk.parquet", make_table(au01=au01, au02=happy))
    marks = [("AU01", 0.0, 1.6, "1"), ("AU02", 0.0, 1.0, "0"), ("AU12", 0.8, 1.4, "1")]
    found = agree(table, write_csv(tmp_path / "talk.csv", marks))
    values, f1 = values_of(found), [2 * 15 / (15 + 40), 20 / 35]
    assert [values["au01", "f1"], values["au12", "f1"]] == pytest.approx(f1) and np.isnan(values["au02", "f1"])
    assert values["action units", "f1_macro"] == pytest.approx(sum(f1) / 2)
    counts = {score.column: (score.moments, score.unpredicted) for score in found.scores}
    assert counts == {"au01": (40, 10), "au02": (50, 0), "au12": (50, 0), "action units": (140, 10)}
    assert found.facts["action units"].startswith("the mean F1 of the units that occur")


def test_a_clip_without_a_prediction_of_a_unit_does_not_count_for_it(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "codings").mkdir()
    marks = [("AU01", 0.8, 1.4, "1"), ("AU12", 0.8, 1.4, "1")]
    for name, known in (("a", True), ("b", False)):
        au01 = np.where(known, np.where(np.arange(FRAMES) < 25, 0.1, 0.9), np.nan).astype(np.float32)
        save_table(tmp_path / "tables" / f"{name}.parquet", make_table(f"{name}.mp4", au01=au01))
        write_csv(tmp_path / "codings" / f"{name}.csv", marks)
    found = agree(tmp_path / "tables", tmp_path / "codings")
    counts = {score.column: (score.clips, score.moments, score.unpredicted) for score in found.scores}
    assert counts["au01"] == (1, 50, 50) and counts["au12"] == (2, 100, 0)


def test_expressions_without_a_prediction_are_counted_where_they_are_coded(tmp_path):
    """Coded on frames 0-39; not predicted on 35-49, of which five are coded."""
    names = [None if frame >= 35 else "neutral" if frame < 25 else "happiness" for frame in range(FRAMES)]
    tables = [make_table(expression=names), make_table("b.mp4").drop_columns(["expression", "valence"])]
    for name, table in zip("ab", tables, strict=True):  # the table of b lacks two columns that are coded
        save_table(tmp_path / f"{name}.parquet", table.set_column(0, "clip", pa.array([f"{name}.mp4"] * FRAMES)))
        write_csv(tmp_path / f"{name}.csv")
    found = agree(tmp_path, tmp_path)
    assert {(s.clips, s.moments, s.unpredicted) for s in found.scores if s.column == "expression"} == {(1, 35, 45)}
    assert {(s.clips, s.moments, s.unpredicted) for s in found.scores if s.column == "valence"} == {(1, 40, 40)}


def test_the_largest_face_is_compared_unless_a_person_is_chosen(tmp_path):
    large = make_table()
    small = make_table(
        track=np.ones(FRAMES, np.int32),
        person=np.full(FRAMES, 2, np.int32),
        face_x2=np.full(FRAMES, 9, np.float32),
        expression=["surprise"] * FRAMES,
    )
    table = save_table(tmp_path / "talk.parquet", pa.concat_tables([small, large]))
    coding = write_csv(tmp_path / "talk.csv")
    assert values_of(agree(table, coding))["expression", "kappa"] == pytest.approx(0.75)
    assert values_of(agree(table, coding, CodingOptions(person=1)))["expression", "kappa"] == pytest.approx(0.75)
    assert values_of(agree(table, coding, CodingOptions(person=2)))["expression", "accuracy"] == 0.0
    named = write_boris_project(tmp_path / "talk.boris", subject="Anna")
    notes, chosen = (agree(table, named, CodingOptions(subject="Anna", person=person)).notes for person in (None, 1))
    assert any("largest face of each frame; --person" in note for note in notes)
    assert not any("--person" in note for note in chosen)
    assert not any("--person" in note for note in agree(table, coding).notes)
    with pytest.raises(ConfigError, match="no person 3; there are: 1, 2"):
        agree(table, coding, CodingOptions(person=3))


def test_a_subject_is_chosen_among_several(tmp_path, table):
    anna, ben = (write_boris_project(tmp_path / f"{name}.boris", subject=name) for name in ("Anna", "Ben"))
    both, other = json.loads(anna.read_text()), json.loads(ben.read_text())
    events = both["observations"]["first"]["events"]
    events += [[t + 0.2, *rest] for t, *rest in other["observations"]["first"]["events"]]
    anna.write_text(json.dumps(both))
    with pytest.raises(ConfigError, match="codes several people: Anna, Ben; choose one with --subject"):
        agree(table, anna)
    found = agree(table, anna, CodingOptions(subject="Anna"))
    assert values_of(found)["expression", "kappa"] == pytest.approx(0.75)
    assert values_of(agree(table, anna, CodingOptions(subject="Ben")))["expression", "kappa"] == pytest.approx(1.0)


def test_tiers_that_name_no_column_are_noted_unless_they_are_mapped(table, tmp_path):
    coding = write_csv(tmp_path / "talk.csv", [*MARKS, ("Valance", 0.0, 1.0, "0.5"), ("laughs", 1.0, 1.8, "1")])
    (note,) = (note for note in agree(table, coding).notes if "no column" in note)
    assert note.endswith("unless --map TIER=COLUMN names one: Valance, laughs")
    mapping = {"Valance": CodedColumn("valence"), "laughs": CodedColumn("au12")}
    assert not any("no column" in note for note in agree(table, coding, CodingOptions(mapping)).notes)


def test_marks_after_the_end_of_the_clip_are_noted(table, tmp_path):
    found = agree(table, write_csv(tmp_path / "talk.csv", [*MARKS, ("valence", 800.0, 1600.0, "0.5")])).notes
    (note,) = (note for note in found if "after the end" in note)
    assert f"talk (a mark at 800 s, the last row at {(FRAMES - 1) / 25:g} s)" in note
    assert not any("after the end" in note for note in agree(table, write_csv(tmp_path / "talk.csv")).notes)


def test_folders_are_paired_by_name_and_have_intervals_over_clips(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "codings").mkdir()
    for name in ("a", "b", "c", "uncoded"):
        save_table(tmp_path / "tables" / f"{name}.parquet")
    early = [("expression", 0.0, 1.0, "neutral"), ("expression", 1.0, 2.0, "happiness"), ("AU12", 1.0, 1.8, "1")]
    write_csv(tmp_path / "codings" / "a.csv")
    write_boris_project(tmp_path / "codings" / "second.boris", early, clip="b.mp4")
    write_csv(tmp_path / "codings" / "c.csv", early)
    write_csv(tmp_path / "codings" / "other.csv")
    found = agree(tmp_path / "tables", tmp_path / "codings")
    assert "clips without a coding: not scored: uncoded" in found.notes
    assert "codings without a clip: not used: other.csv" in found.notes
    (kappa,) = (score for score in found.scores if (score.column, score.measure) == ("expression", "kappa"))
    assert (kappa.clips, kappa.moments) == (3, 140)
    assert kappa.value == pytest.approx((135 / 140 - 0.5) / 0.5) and 0.75 <= kappa.low < kappa.value < kappa.high <= 1.0
    assert [(score.clips, score.moments) for score in found.scores if score.column == "au12"] == [(3, 150)] * 3


def test_clips_of_one_name_are_compared_with_the_coding_in_the_folder_of_the_same_name(tmp_path):
    tables, codings = tmp_path / "tables", tmp_path / "codings"
    for name, marks in (("anna", MARKS), ("ben", [("valence", 0.0, 1.0, "0.5")])):
        for folder in (tables, codings):
            (folder / name).mkdir(parents=True)
        save_table(tables / name / "talk.parquet", make_table(source=[f"{name}/talk.mp4"] * FRAMES))
        write_csv(codings / name / "talk.csv", marks)
    (valence, *_), (au12, *_) = (
        [s for s in agree(tables, codings).scores if s.column == c] for c in ("valence", "au12")
    )
    assert (valence.clips, valence.moments, au12.clips) == (2, 40 + 25, 1)
    (codings / "ben").rename(codings / "carl")
    with pytest.raises(DatasetError, match=r"2 clips are called 'talk': anna/talk\.mp4 and ben/talk\.mp4; put"):
        agree(tables, codings)


def test_two_codings_of_one_clip_are_an_error(tmp_path, table):
    (tmp_path / "codings").mkdir()
    write_csv(tmp_path / "codings" / "talk.csv")
    write_boris_project(tmp_path / "codings" / "talk.boris")
    with pytest.raises(DatasetError, match="two codings of the clip 'talk'"):
        agree(table, tmp_path / "codings")


def test_a_value_outside_of_its_column_names_tier_and_time(tmp_path, table):
    with pytest.raises(DatasetError, match=r"tier 'valence', 0.8 s: must be in \[-1, 1\], got 5; rescale"):
        agree(table, write_csv(tmp_path / "talk.csv", [("valence", 0.8, 1.6, "5")]))
    with pytest.raises(DatasetError, match="tier 'AU12', 1 s: an action unit at a point has no duration"):
        agree(table, write_csv(tmp_path / "talk.csv", [("AU12", 1, 1, "")]))


def test_a_table_of_another_program_is_an_error(tmp_path):
    (tmp_path / "other.csv").write_text("frame,AU12_r\n1,2\n")
    with pytest.raises(DatasetError, match="is no table of avfer"):
        agree(tmp_path / "other.csv", write_csv(tmp_path / "talk.csv"))
