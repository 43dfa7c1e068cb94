"""Label files of Aff-Wild2: sentinels, classes, action units, lines of several tasks, damage."""

import numpy as np
import pytest

from avfer.datasets.aff_wild2 import AffWild2
from avfer.errors import DatasetError
from tests.datasets.aff_wild2_files import EIGHT, TWELVE, VA_SET, images, va
from tests.datasets.on_disk import count_notes, only, text

NAMES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
VA_VALID = [True, False, False, False, True]


@pytest.mark.parametrize("how", [{}, {"end": "\r\n"}, {"mark": "\ufeff"}])
def test_a_sentinel_in_either_column_makes_both_not_valid(tmp_path, how):
    va(tmp_path, **how)
    corpus = AffWild2(tmp_path)
    example = only(corpus)
    assert example.frames.tolist() == [0, 1, 2, 3, 4] and example.times is None and example.subject == "video1"
    for kind, values in (("valence", [0.123, 1.0]), ("arousal", [-0.5, -1.0])):
        labels = example.labels[kind]
        assert labels.valid.tolist() == VA_VALID and labels.values[labels.valid].tolist() == values
        assert np.isnan(labels.values[~labels.valid]).all()
    assert count_notes(corpus, "in one of valence and arousal alone") == 2


def test_columns_are_identified_by_name(tmp_path):
    va(tmp_path, lines=("arousal, valence", "0.1,0.2"))
    assert only(AffWild2(tmp_path)).labels["valence"].values.tolist() == [0.2]


def test_a_blank_line_is_a_frame_without_a_label(tmp_path):
    va(tmp_path, lines=("valence,arousal", "0.1,0.1", "", "0.3,0.3", "", ""))
    corpus = AffWild2(tmp_path)
    assert (
        only(corpus).labels["valence"].valid.tolist() == [True, False, True]
        and count_notes(corpus, "without a value") == 1
    )


@pytest.mark.parametrize(("header", "names"), [(EIGHT, NAMES), (EIGHT.removesuffix(",Other"), NAMES[:7])])
def test_expressions_have_the_names_of_the_header(tmp_path, header, names):
    text(tmp_path / "EXPR_Set" / "Training_Set" / "a.txt", header, "4", "-1", "0", "6")
    labels = only(AffWild2(tmp_path)).labels["expression"]
    assert labels.names == names and labels.values.dtype == np.int64
    assert labels.values.tolist() == [4, -1, 0, 6] and labels.valid.tolist() == [True, False, True, True]


@pytest.mark.parametrize(("header", "count"), [(TWELVE, 12), ("AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25", 8)])
def test_action_units_are_masked_one_by_one(tmp_path, header, count):
    rows = (["1"] + ["0"] * (count - 1), ["-1"] * count, ["-1"] + ["1"] * (count - 1))
    text(tmp_path / "AU_Set" / "Training_Set" / "a.txt", header, *(",".join(row) for row in rows))
    corpus = AffWild2(tmp_path)
    labels = only(corpus).labels["action_units"]
    assert labels.names[:2] == ("AU01", "AU02") and len(labels.names) == count
    assert labels.valid.sum(1).tolist() == [count, 0, count - 1] and labels.values[0].tolist() == [1] + [0] * (
        count - 1
    )
    assert (
        not labels.valid[2, 0]
        and np.isnan(labels.values[2, 0])
        and count_notes(corpus, "some action units unknown") == 1
    )


@pytest.mark.parametrize(
    ("folder", "lines", "message"),
    [
        (VA_SET, ("valence,arousal",), "no line after the header"),
        (VA_SET, (), "no line after the header"),
        (VA_SET, ("0.1,0.2", "0.1,0.2"), "line 1: no header"),
        (VA_SET, ("valence;arousal", "0,1;0,2"), "line 2: 3 cells, expected 1.*decimal comma"),
        (VA_SET, ("valence;arousal", "0.1;0.2"), "line 2: .0.1;0.2. is not a number"),
        (VA_SET, ("valence,arousal", "0,123,0,456"), "line 2: 4 cells, expected 2.*decimal comma"),
        (VA_SET, ("valence,arousal", "0.1,0.1", "0.1,x"), "line 3: 'x' is not a number"),
        ("EXPR_Set/Train_Set", (EIGHT.removesuffix(",Other"), "1", "7"), r"line 3: class must be 0 to 6 .*, got 7"),
        ("EXPR_Set/Train_Set", (EIGHT, "1.5"), r"line 2: class must be 0 to 7 .*, got 1\.5"),
        ("EXPR_Set/Train_Set", ("Happy,Bored", "1"), "line 1: classes must be among .*, got Happy, Bored"),
        ("AU_Set/Train_Set", (TWELVE, ",".join(["2"] * 12)), "line 2: an action unit must be 0, 1 or -1, got 2"),
        ("AU_Set/Train_Set", (TWELVE, "1,0,1"), "line 2: 3 cells, expected 12"),
        ("AU_Set/Train_Set", ("a,b", "1,0"), "line 1: columns must be AU1,AU2,..., got a, b"),
    ],
)
def test_damaged_label_files_raise_an_error_with_the_line(tmp_path, folder, lines, message):
    text(tmp_path / folder / "a.b c.txt", *lines)
    with pytest.raises(DatasetError, match=message) as error:
        only(AffWild2(tmp_path))
    assert "a.b c.txt" in str(error.value)


def test_text_in_another_encoding_raises_an_error(tmp_path):
    va(tmp_path).write_bytes(b"valence,arousal\n0.1,0.1\n\xe9,0\n")
    with pytest.raises(DatasetError, match="line 3: not UTF-8"):
        only(AffWild2(tmp_path))


def multi(root, *rows, name="training_set_annotations.txt"):
    return text(root / "MTL_Challenge" / name, "image,valence,arousal,expression,aus", *rows)


@pytest.mark.parametrize("test_list", ["MTL.txt", "MTL_Challenge_test_set_release.txt"])
def test_multi_task_lines_may_be_valid_for_some_tasks_alone(tmp_path, test_list):
    units = ",".join(["1"] + ["0"] * 11)
    unknown = ",".join(["-1"] * 12)
    rows = (f"b/00007.jpg,0.5,-0.5,-1,{units}", f"a/00002.jpg,-5,-5,7,{unknown}", f"b/00003.jpg,0.1,0.2,0,{unknown}")
    multi(tmp_path, *rows, f"b/00003.jpg,0.9,0.9,1,{units},")
    text(tmp_path / "MTL_Challenge" / test_list, "image", "z/00002.jpg", "z/00010.jpg")
    images(tmp_path, "b", 7)
    corpus = AffWild2(tmp_path, task="mtl")
    a, b = corpus.examples("train")
    assert corpus.distribution.startswith("s-Aff-Wild2") and (a.id, b.id) == ("a", "b")
    assert b.frames.tolist() == [2, 6] and b.labels["valence"].values.tolist() == [0.1, 0.5]
    assert b.labels["expression"].values.tolist() == [0, -1] and b.labels["expression"].valid.tolist() == [True, False]
    assert b.labels["action_units"].valid.all(1).tolist() == [False, True]
    assert b.pictures == (None, tmp_path / "cropped_aligned" / "b" / "00007.jpg")
    assert (
        not a.labels["valence"].valid.any()
        and a.labels["expression"].names[a.labels["expression"].values[0]] == "other"
    )
    assert count_notes(corpus, "repeat a picture") == 1
    test = only(corpus, "test")
    assert (test.id, test.labels, test.frames.tolist()) == ("z", {}, [1, 9])


def test_the_multi_task_files_of_the_latest_edition_are_read(tmp_path):
    for edition in ("4th_ABAW", "7th_ABAW", "10th_ABAW/MTL"):
        multi(tmp_path / edition, f"{edition[:2]}/00001.jpg,0.5,-0.5,-1" + ",0" * 12)
    corpus = AffWild2(tmp_path, task="mtl")
    assert only(corpus).id == "10" and count_notes(corpus, "further multi-task files") == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a/00001.jpg,0.1,0.2,3", "line 2: 4 cells, expected 16"),
        ("a/first.jpg,0,0,0" + ",0" * 12, "line 2: .*number of its frame, counted from 1, got 'first.jpg'"),
        ("a/99999999999999999999.jpg,0,0,0" + ",0" * 12, "line 2: .*number of its frame"),
        ("00001.jpg,0,0,0" + ",0" * 12, "line 2: expected video/00001.jpg, got '00001.jpg'"),
        ("a/00001.jpg,0,0,8" + ",0" * 12, r"line 2: class must be 0 to 7 .*, got 8"),
        ("a/00000.jpg,0,0,0" + ",0" * 12, "line 2: .*counted from 1, got '00000.jpg'"),
    ],
)
def test_damaged_multi_task_lines_raise_an_error_with_the_line(tmp_path, row, message):
    multi(tmp_path, row)
    with pytest.raises(DatasetError, match=message):
        list(AffWild2(tmp_path).examples("train"))
