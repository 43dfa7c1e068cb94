import numpy as np
import pytest

from avfer.datasets.aff_wild2 import AffWild2
from avfer.datasets.aff_wild2_layout import side_of
from avfer.datasets.corpus import check, open_corpus, open_tasks
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import count_notes, empty, only, text

EIGHT = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
TWELVE = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
NAMES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
VA = ("valence,arousal", "0.123,-0.5", "-5,-5", "-5,0.4", "0.2,-5", "1,-1")
VA_VALID = [True, False, False, False, True]
VA_SET = "VA_Estimation_Challenge/Train_Set"


def va(root, name="video1", lines=VA, folder=VA_SET, **how):
    return text(root / folder / f"{name}.txt", *lines, **how)


def images(root, name, *numbers, folder="cropped_aligned", suffix=".jpg"):
    empty(*(root / folder / name / f"{number:05d}{suffix}" for number in numbers))


@pytest.mark.parametrize("below", ["", "5th_ABAW_Annotations", "data/6th ABAW Annotations"])
@pytest.mark.parametrize(
    ("task", "folder", "years"),
    [
        ("va", "VA_Set/Training_Set", "2020 and 2021"),
        ("va", "va set/train set", "2020 and 2021"),
        ("va", "VA_Estimation_Challenge/Train_Set", "2022 on"),
        ("expr", "EXPR_Set/Train_Set", "2020 and 2021"),
        ("expr", "EXPR_Classification_Challenge/Train_Set", "2022 and 2023"),
        ("expr", "EXPR-Recognition-Challenge/Train_Set", "2024 on"),
        ("au", "AU_Set/Training_Set", "2020 and 2021"),
        ("au", "AU_Detection_Challenge/Train_Set", "2022 on"),
    ],
)
def test_folders_of_every_year_are_found_at_any_depth(tmp_path, below, task, folder, years):
    header = {"va": "valence,arousal", "expr": EIGHT, "au": TWELVE}[task]
    row = {"va": "0,0", "expr": "3", "au": ",".join("0" * 12)}[task]
    text(tmp_path / below / folder / "102.txt", header, row)
    text(tmp_path / below / folder.split("/")[0] / "Validation_Set" / "103.txt", header, row)
    corpus = open_corpus("aff_wild2", tmp_path)
    assert years in corpus.distribution and corpus.task == task and corpus.tasks == (task,)
    assert only(corpus, "train").id == "102" and only(corpus, "dev").id == "103"


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


def test_pictures_have_gaps_and_every_line_stays(tmp_path):
    va(tmp_path, "a.b c")
    images(tmp_path, "a.b c", 4, 5)
    images(tmp_path, "a.b c", 2, 5, 9, folder="cropped_aligned_new_50_vids")
    empty(tmp_path / "cropped_aligned" / "a.b c" / "face.jpg", tmp_path / "cropped_aligned" / "a.b c" / "._00001.jpg")
    corpus = AffWild2(tmp_path)
    first = tmp_path / "cropped_aligned" / "a.b c"
    second = tmp_path / "cropped_aligned_new_50_vids" / "a.b c"
    expected = (None, second / "00002.jpg", None, first / "00004.jpg", first / "00005.jpg")
    assert only(corpus).pictures == expected
    assert (
        count_notes(corpus, "after the last label line") == 1
        and count_notes(corpus, "further pictures of one frame") == 1
    )
    assert count_notes(corpus, "without the number of a frame") == 1
    counts = check(AffWild2(tmp_path)).partitions["train"]
    assert (counts.steps, counts.pictures, counts.pictures_missing) == (5, 3, 2)


@pytest.mark.parametrize("folder", ["cropped", "cropped/batch1", "batch1", "cropped_new_50_vids", "x/cropped/cropped"])
def test_cropped_pictures_are_used_if_none_are_aligned(tmp_path, folder):
    va(tmp_path)
    images(tmp_path, "video1", 1, folder=folder)
    corpus = AffWild2(tmp_path)
    assert (
        only(corpus).pictures[0] == tmp_path / folder / "video1" / "00001.jpg" and "cropped pictures" in corpus.protocol
    )
    images(tmp_path, "video1", 2)
    assert only(AffWild2(tmp_path)).pictures[:2] == (None, tmp_path / "cropped_aligned" / "video1" / "00002.jpg")
    assert only(AffWild2(tmp_path, crops="cropped")).pictures[1] is None


def test_people_of_one_video_have_their_own_pictures_and_its_sound(tmp_path):
    for name in ("video59", "video59_right", "video7_left", "video7_right"):
        va(tmp_path, name)
        images(tmp_path, name, 1)
    empty(tmp_path / "batch1" / "video59.mp4", tmp_path / "batch2" / "video7.avi", tmp_path / "batch2" / "alone.mp4")
    corpus = AffWild2(tmp_path)
    found = {example.id: example for example in corpus.examples("train")}
    assert list(found) == ["video7_left", "video7_right", "video59", "video59_right"]
    assert [example.side for example in found.values()] == ["left", "right", "left", "right"]
    for name, example in found.items():
        assert example.pictures[0] == tmp_path / "cropped_aligned" / name / "00001.jpg" and example.subject == name
        assert example.video == example.audio
        assert example.video.stem == name.split("_")[0]
    assert count_notes(corpus, "videos without a label file") == 1 and count_notes(corpus, "named _left or _right") == 1


@pytest.mark.parametrize(
    ("people", "side"),
    [
        (("v",), None),
        (("v", "v_left"), "right"),
        (("v", "v_right"), "left"),
        (("v", "v_left", "v_right"), None),
        (("v", "w_left"), None),
    ],
)
def test_a_person_without_a_side_sits_opposite_the_other_person(people, side):
    assert side_of("v", people) == side


def test_a_video_of_the_exact_name_is_preferred_and_audio_is_that_of_the_whole_video(tmp_path):
    va(tmp_path, "video59_right")
    empty(tmp_path / "batch1" / "video59.mp4", tmp_path / "batch1" / "video59_right.mp4")
    example = only(AffWild2(tmp_path))
    assert (example.video.name, example.audio.name) == ("video59_right.mp4", "video59.mp4")


def test_labels_without_media_are_read_and_counted(tmp_path):
    va(tmp_path, "here")
    va(tmp_path, "gone")
    empty(tmp_path / "batch1" / "here.mp4")
    images(tmp_path, "here", 1)
    corpus = AffWild2(tmp_path)
    gone, here = corpus.examples("train")
    assert (gone.video, gone.pictures) == (None, (None,) * 5) and here.video
    assert (
        count_notes(corpus, "label files without a video") == 1
        and count_notes(corpus, "without a folder of pictures") == 1
    )


def test_people_in_a_list_of_the_test_set_have_no_labels(tmp_path):
    va(tmp_path)
    listed = "Valence_Arousal_Estimation_Challenge_test_set_release.txt"
    text(tmp_path / "lists" / listed, "video9", "video10_left", "", end="\r\n")
    text(tmp_path / "lists" / "Expression_Recognition_Challenge_test_set_release.txt", "other")
    text(tmp_path / "lists" / "CVPR_6th_ABAW_VA_test_set_example.txt", "image_location,valence,arousal")
    corpus = AffWild2(tmp_path)
    assert corpus.partitions == ("train", "test")
    assert [(e.id, e.labels, len(e)) for e in corpus.examples("test")] == [("video9", {}, 0), ("video10_left", {}, 0)]


def multi(root, *rows, name="training_set_annotations.txt"):
    return text(root / "MTL_Challenge" / name, "image,valence,arousal,expression,aus", *rows)


def test_multi_task_lines_may_be_valid_for_some_tasks_alone(tmp_path):
    units = ",".join(["1"] + ["0"] * 11)
    unknown = ",".join(["-1"] * 12)
    rows = (f"b/00007.jpg,0.5,-0.5,-1,{units}", f"a/00002.jpg,-5,-5,7,{unknown}", f"b/00003.jpg,0.1,0.2,0,{unknown}")
    multi(tmp_path, *rows, f"b/00003.jpg,0.9,0.9,1,{units}")
    text(tmp_path / "MTL_Challenge" / "MTL.txt", "image", "z/00002.jpg", "z/00010.jpg")
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


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a/00001.jpg,0.1,0.2,3", "line 2: 4 cells, expected 16"),
        ("a/first.jpg,0,0,0" + ",0" * 12, "line 2: .*number of its frame, counted from 1, got 'first.jpg'"),
        ("00001.jpg,0,0,0" + ",0" * 12, "line 2: expected video/00001.jpg, got '00001.jpg'"),
        ("a/00001.jpg,0,0,8" + ",0" * 12, r"line 2: class must be 0 to 7 .*, got 8"),
        ("a/00000.jpg,0,0,0" + ",0" * 12, "line 2: .*counted from 1, got '00000.jpg'"),
    ],
)
def test_damaged_multi_task_lines_raise_an_error_with_the_line(tmp_path, row, message):
    multi(tmp_path, row)
    with pytest.raises(DatasetError, match=message):
        list(AffWild2(tmp_path).examples("train"))


def test_the_newest_annotations_are_read(tmp_path):
    va(tmp_path, "old", folder="VA_Set/Training_Set")
    va(tmp_path, "new")
    corpus = AffWild2(tmp_path)
    assert only(corpus).id == "new" and count_notes(corpus, "older annotations") == 1


def test_every_task_that_is_there_may_be_opened(tmp_path):
    va(tmp_path)
    text(tmp_path / "EXPR_Set" / "Train_Set" / "a.txt", EIGHT, "1")
    assert [corpus.task for corpus in open_tasks("aff_wild2", tmp_path)] == ["va", "expr"]
    assert [corpus.task for corpus in open_tasks("aff_wild2", tmp_path, task="expr")] == ["expr"]
    with pytest.raises(DatasetError, match=r"no annotations of task 'au' .*only of va, expr"):
        AffWild2(tmp_path, task="au")


@pytest.mark.parametrize("options", [{"task": "vaa"}, {"crops": "round"}])
def test_unknown_options_raise_a_config_error(tmp_path, options):
    va(tmp_path)
    with pytest.raises(ConfigError, match="unknown"):
        AffWild2(tmp_path, **options)


def test_requested_pictures_that_are_missing_raise_an_error(tmp_path):
    va(tmp_path)
    with pytest.raises(DatasetError, match="no aligned pictures"):
        AffWild2(tmp_path, crops="aligned")


def test_a_person_in_two_partitions_is_named(tmp_path):
    for folder in ("Train_Set", "Validation_Set"):
        va(tmp_path, "video59_left", folder=f"VA_Estimation_Challenge/{folder}")
    report = check(AffWild2(tmp_path))
    assert report.leaks == {"subject video59_left": ("train", "dev")} and not report.passed


def test_two_people_of_a_video_in_two_partitions_are_no_leak_but_noted(tmp_path):
    va(tmp_path, "video59_left")
    va(tmp_path, "video59_right", folder="VA_Estimation_Challenge/Validation_Set")
    report = check(AffWild2(tmp_path))
    assert report.passed and any("two partitions" in note for note in report.notes.counts)


def test_a_partition_that_was_not_copied_is_noted(tmp_path):
    va(tmp_path)
    assert count_notes(AffWild2(tmp_path), "partitions of the distribution that are missing") == 1
    (tmp_path / "VA_Estimation_Challenge" / "Validation_Set").mkdir()
    assert count_notes(AffWild2(tmp_path), "partitions of the distribution that are missing") == 1
    va(tmp_path, "video2", folder="VA_Estimation_Challenge/Validation_Set")
    assert not AffWild2(tmp_path).notes.counts


def test_a_wrong_root_raises_an_error_that_lists_what_was_sought(tmp_path):
    images(tmp_path, "video1", 1)
    with pytest.raises(DatasetError, match=r"VA_Set.*found: cropped_aligned/"):
        AffWild2(tmp_path)
