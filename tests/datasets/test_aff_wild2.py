"""A copy of Aff-Wild2 on disk: the folders of every year, the people of a video, pictures, partitions."""

import pytest

from avfer.datasets.aff_wild2 import AffWild2
from avfer.datasets.aff_wild2_layout import side_of
from avfer.datasets.corpus import check, open_corpus, open_tasks
from avfer.errors import ConfigError, DatasetError
from tests.datasets.aff_wild2_files import EIGHT, TWELVE, VA_SET, images, va
from tests.datasets.on_disk import count_notes, empty, only, text


@pytest.mark.parametrize("below", ["", "5th_ABAW_Annotations", "data/6th ABAW Annotations"])
@pytest.mark.parametrize(
    ("task", "folder", "years"),
    [
        ("va", "VA_Set/Training_Set", "2020 and 2021"),
        ("va", "va set/train set", "2020 and 2021"),
        ("va", "VA_Set/Train_Set/Train_Set", "2020 and 2021"),
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


def test_annotations_in_the_current_folder_are_found_by_its_name(tmp_path, monkeypatch):
    va(tmp_path)
    monkeypatch.chdir(tmp_path / "VA_Estimation_Challenge")
    assert only(open_corpus("aff_wild2", ".")).id == "video1"
    monkeypatch.chdir(tmp_path / VA_SET)
    assert only(open_corpus("aff_wild2", "..")).id == "video1"


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


@pytest.mark.parametrize("folder", ["batch1/batch1", "batch1/cropped", "cropped/batch1/batch1"])
def test_pictures_in_a_folder_of_the_same_kind_are_found_once(tmp_path, folder):
    va(tmp_path)
    images(tmp_path, "video1", 1, folder=folder)
    corpus = AffWild2(tmp_path)
    assert only(corpus).pictures[0] == tmp_path / folder / "video1" / "00001.jpg"
    assert count_notes(corpus, "further pictures") == 0


@pytest.mark.parametrize("folder", ["batch1/cropped_aligned", "cropped_aligned_images/batch1/cropped_aligned"])
def test_aligned_pictures_in_a_folder_of_a_batch_are_not_cropped_ones(tmp_path, folder):
    va(tmp_path)
    images(tmp_path, "video1", 1, folder=folder)
    images(tmp_path, "video1", 2, folder="batch2")
    assert only(AffWild2(tmp_path)).pictures[:2] == (tmp_path / folder / "video1" / "00001.jpg", None)
    cropped = only(AffWild2(tmp_path, crops="cropped")).pictures[:2]
    assert cropped == (None, tmp_path / "batch2" / "video1" / "00002.jpg")


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
    text(tmp_path / "10th ABAW" / "lists" / listed, "video9", "video10_left", "", end="\r\n")
    text(tmp_path / "8th ABAW" / listed, "video8")
    text(tmp_path / "lists" / "Expression_Recognition_Challenge_test_set_release.txt", "other")
    text(tmp_path / "lists" / "CVPR_6th_ABAW_VA_test_set_example.txt", "image_location,valence,arousal")
    corpus = AffWild2(tmp_path)
    assert corpus.partitions == ("train", "test")
    assert [(e.id, e.labels, len(e)) for e in corpus.examples("test")] == [("video9", {}, 0), ("video10_left", {}, 0)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("VA_Set/Training_Set", VA_SET),
        (f"3rd ABAW Annotations/Third ABAW Annotations/{VA_SET}", f"5th_ABAW_Annotations/{VA_SET}"),
        (f"Third_ABAW_Annotations/{VA_SET}", f"5th_ABAW_Annotations/{VA_SET}"),
        (f"8th_ABAW_Annotations/8th_ABAW_Annotations/{VA_SET}", f"10th ABAW Annotations/{VA_SET}"),
    ],
)
def test_the_newest_annotations_are_read(tmp_path, old, new):
    va(tmp_path, "old", folder=old)
    va(tmp_path, "new", folder=new)
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
    va(tmp_path, folder="VA_Set/labels")
    with pytest.raises(DatasetError, match=r"looked for VA_Set/Train_Set, .*found: cropped_aligned/, VA_Set/"):
        AffWild2(tmp_path)
