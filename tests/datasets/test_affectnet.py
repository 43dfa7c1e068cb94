import numpy as np
import pytest

from avfer.datasets.affectnet import CLASSES, AffectNet
from avfer.datasets.corpus import check, open_corpus
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import empty, expression, text

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
NUMBERED = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
MARKS = ";".join(["10.5"] * 136)


def row(name, code, valence=0.5, arousal=-0.25):
    return f"{name},1,2,100,120,{MARKS},{code},{valence},{arousal}"


def rows(folder):
    faces = [row(f"{folder}/f{code}a.jpg", code, code / 10, -code / 10) for code in range(8)]
    others = [row(f"{folder}/none.PNG", 8), row(f"{folder}/x.jpg", 9, -2, -2), row(f"{folder}/y.jpg", 10, -2, -2)]
    return [*faces, *others]


def full(root, header=(HEADER,), lists="Manually_Annotated_file_lists", automatic=True):
    """Write the full release: lists and folders of pictures; validation.csv has a header or none."""
    text(root / lists / "training.csv", HEADER, *rows(10), end="\r\n")
    text(root / lists / "validation.csv", *header, *rows(2), end="\r\n")
    empty(*(root / "Manually_Annotated_Images" / line.split(",")[0] for line in rows(10) + rows(2)))
    if automatic:
        text(root / "Automatically_annotated_file_list" / "automatically_annotated.csv", HEADER, row("7/auto.jpg", 6))
        empty(root / "Automatically_Annotated_Images" / "7" / "auto.jpg")
    return root


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, value)


def cut(root, as_array=lambda value: np.array(str(value))):
    """Write the release of 2021; its arrays contain text in some copies."""
    for place in ("train_set", "val_set"):
        for number in (10, 2):
            annotations = root / place / "annotations"
            save(annotations / f"{number}_exp.npy", as_array(number % 8))
            save(annotations / f"{number}_val.npy", as_array(number / 20))
            save(annotations / f"{number}_aro.npy", as_array(-number / 20))
            save(annotations / f"{number}_lnd.npy", np.zeros(136))
            empty(root / place / "images" / f"{number}.jpg", root / place / "images" / "._2.jpg")
    return root


def labels_of(example):
    """Return (class or None, valence, arousal), NaN if not valid."""
    valence, arousal = example.labels["valence"], example.labels["arousal"]
    assert valence.valid[0] == (not np.isnan(valence.values[0])) and len(example) == 1
    return expression(example), float(valence.values[0]), float(arousal.values[0])


@pytest.mark.parametrize("header", [(HEADER,), ()], ids=["header", "no header"])
@pytest.mark.parametrize("lists", ["Manually_Annotated_file_lists", ".", "Manually Annotated file lists"])
def test_the_full_release_is_read_with_and_without_a_header(tmp_path, header, lists):
    corpus = open_corpus("affectnet", full(tmp_path, header, lists))
    assert corpus.partitions == ("train", "dev") and "manual" in corpus.distribution
    for partition, folder in (("train", 10), ("dev", 2)):
        found = {example.id: example for example in corpus.examples(partition)}
        assert len(found) == 11
        for code, name in enumerate(NUMBERED):
            example = found[f"{folder}/f{code}a.jpg"]
            assert labels_of(example) == (name, code / 10, -code / 10)
            assert example.pictures == (tmp_path / "Manually_Annotated_Images" / example.id,)
    assert check(AffectNet(tmp_path)).passed


@pytest.mark.parametrize("above", ["Manually_Annotated_compressed", "Manually_Annotated_compressed/" * 2])
def test_pictures_in_the_folder_of_their_archive_are_found(tmp_path, above):
    full(tmp_path)
    (tmp_path / above).mkdir(parents=True)
    (tmp_path / "Manually_Annotated_Images").rename(tmp_path / above / "Manually_Annotated_Images")
    assert check(AffectNet(tmp_path)).partitions["dev"].pictures == 11


def test_class_none_has_affect_without_an_expression_and_no_face_has_neither(tmp_path):
    corpus = AffectNet(full(tmp_path))
    found = {example.id: labels_of(example) for example in corpus.examples("dev")}
    assert found["2/none.PNG"] == (None, 0.5, -0.25)
    assert np.isnan(found["2/x.jpg"][1:]).all() and found["2/y.jpg"][0] is None
    for name in ("none", "uncertain", "no face"):
        assert corpus.notes.counts[f"pictures labelled '{name}': kept, the expression not valid"] == 1
    assert corpus.notes.faults == set()


def test_contempt_is_class_7_and_may_be_left_out(tmp_path):
    full(tmp_path)
    eight, seven = AffectNet(tmp_path), AffectNet(tmp_path, classes=7)
    names = [{e.id: labels_of(e)[0] for e in corpus.examples("dev")} for corpus in (eight, seven)]
    assert names[0]["2/f7a.jpg"] == "contempt" and names[1]["2/f7a.jpg"] is None
    assert names[0]["2/f6a.jpg"] == names[1]["2/f6a.jpg"] == "anger"
    assert next(seven.examples("dev")).labels["expression"].names == CLASSES[:7]
    assert "7 classes, without contempt" in seven.protocol and sum("contempt" in n for n in seven.notes.counts) == 1


@pytest.mark.parametrize("classes", [7, 8])
def test_pictures_of_none_of_the_classes_may_be_left_out(tmp_path, classes):
    corpus = AffectNet(full(tmp_path), classes=classes, labelled=True)
    assert [labels_of(example)[0] for example in corpus.examples("dev")] == list(NUMBERED[:classes])
    assert corpus.notes.counts == {"pictures of none of the classes: left out (labelled=True)": 11 - classes}
    assert "of these alone" in corpus.protocol


def test_the_automatic_list_is_train_if_requested(tmp_path):
    corpus = AffectNet(full(tmp_path), annotations="automatic")
    (example,) = corpus.examples("train")
    assert (
        labels_of(example)[0] == "anger" and example.pictures[0].parent.parent.name == "Automatically_Annotated_Images"
    )
    assert len(list(corpus.examples("dev"))) == 11 and "automatic annotations" in corpus.distribution
    with pytest.raises(DatasetError, match=r"automatically_annotated\.csv"):
        AffectNet(full(tmp_path / "other", automatic=False), annotations="automatic")


def test_folders_of_pictures_come_in_natural_order(tmp_path):
    text(tmp_path / "training.csv", HEADER, *(row(name, 0) for name in ("10/b.jpg", "9/z.jpg", "10/a.jpg", "9\\c.jpg")))
    assert [e.id for e in AffectNet(tmp_path).examples("train")] == ["9/c.jpg", "9/z.jpg", "10/a.jpg", "10/b.jpg"]


@pytest.mark.parametrize(
    ("values", "valid", "note"),
    [
        ((-2, 0.5), (False, False), "sentinel in one of"),
        ((0.5, -2), (False, False), "sentinel in one of"),
        ((-2, -2), (False, False), None),
        ((1.5, 0.5), (False, True), "outside"),
        ((0.5, -5), (True, False), "outside"),
        ((-1, 1), (True, True), None),
    ],
)
def test_sentinels_become_not_valid(tmp_path, values, valid, note):
    text(tmp_path / "validation.csv", row("1/a.jpg", 1, *values))
    corpus = AffectNet(tmp_path)
    (example,) = corpus.examples("dev")
    assert tuple(bool(example.labels[kind].valid[0]) for kind in ("valence", "arousal")) == valid
    assert tuple(not np.isnan(value) for value in labels_of(example)[1:]) == valid
    counted = [sentence for sentence in corpus.notes.counts if "valence" in sentence]
    assert len(counted) == (note is not None) and all(note in sentence for sentence in counted)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, row("1/a.jpg", 11)), "class must be 0 to 10, got 11"),
        ((HEADER, row("1/a.jpg", "happy")), "line 2: 'happy' is not a number"),
        ((HEADER, row("1/a.jpg", 1, '"0,5"')), "line 2: '0,5' has a decimal comma"),
        ((HEADER, row("1/a.jpg", 1, "0,5")), "line 2: 10 cells, expected 9"),
        ((HEADER, row("1/a.jpg", 1, "")), "line 2: .* empty"),
        ((HEADER.replace("valence", "V"), row("1/a.jpg", 1)), "line 1: no column valence"),
    ],
)
def test_damaged_lists_raise_an_error_with_the_line(tmp_path, lines, message):
    text(tmp_path / "training.csv", *lines)
    with pytest.raises(DatasetError, match=message):
        list(AffectNet(tmp_path).examples("train"))


def test_missing_pictures_and_repeated_rows_are_noted(tmp_path):
    full(tmp_path)
    with (tmp_path / "Manually_Annotated_file_lists" / "training.csv").open("a") as file:
        file.write(row("10/f0a.jpg", 3) + "\n")
    (tmp_path / "Manually_Annotated_Images" / "10" / "f1a.jpg").unlink()
    report = check(AffectNet(tmp_path))
    assert not report.passed and report.partitions["train"].pictures_missing == 1
    assert report.partitions["train"].examples == 11
    assert report.notes.counts["rows that repeat a picture: the first is kept"] == 1


ARRAYS = {
    "text": lambda value: np.array(str(value)),
    "text in a list": lambda value: np.array([str(value)]),
    "bytes": lambda value: np.array(str(value).encode()),
    "numbers": lambda value: np.array(value),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_the_cut_of_2021_may_contain_text_or_numbers(tmp_path, kind):
    corpus = open_corpus("affectnet", cut(tmp_path, ARRAYS[kind]))
    assert corpus.partitions == ("train", "dev") and "2021" in corpus.distribution
    for place, partition in (("train_set", "train"), ("val_set", "dev")):
        found = list(corpus.examples(partition))
        assert [example.id for example in found] == [f"{place}/2", f"{place}/10"]
        assert [labels_of(example) for example in found] == [("sadness", 0.1, -0.1), ("sadness", 0.5, -0.5)]
        assert found[0].pictures == (tmp_path / place / "images" / "2.jpg",)
    report = check(corpus)
    assert report.passed and not report.leaks, "both sets count from the beginning"


def test_arrays_of_objects_raise_an_error_and_run_no_code(tmp_path):
    path = cut(tmp_path) / "train_set" / "annotations" / "2_val.npy"
    np.save(path, np.array([{"value": 1}], object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"2_val\.npy cannot be read"):
        list(AffectNet(tmp_path).examples("train"))


def test_missing_files_of_the_cut_are_noted(tmp_path):
    cut(tmp_path)
    (tmp_path / "train_set" / "images" / "2.jpg").unlink()
    (tmp_path / "train_set" / "annotations" / "10_exp.npy").unlink()
    (tmp_path / "val_set" / "annotations" / "2_aro.npy").unlink()
    report = check(AffectNet(tmp_path))
    assert report.partitions["train"].examples == 1 and report.partitions["train"].pictures_missing == 1
    assert report.notes.counts["pictures without a row of labels: left out"] == 1
    missing = "pictures without the file of valence or arousal: left out"
    assert report.partitions["dev"].examples == 1 and not report.unread, "the rest is read"
    assert report.notes.counts[missing] == 1 and missing in report.notes.faults
    assert report.notes.places[missing] == [str(tmp_path / "val_set" / "annotations" / "2_aro.npy")]


@pytest.mark.parametrize("options", [{"annotations": "both"}, {"classes": 6}, {"classes": "seven"}])
def test_unknown_options_raise_a_config_error(tmp_path, options):
    with pytest.raises(ConfigError, match="affectnet"):
        AffectNet(cut(tmp_path), **options)


def test_a_wrong_root_raises_an_error_that_lists_what_was_sought(tmp_path):
    empty(tmp_path / "Manually_Annotated_Images" / "1" / "a.jpg")
    with pytest.raises(DatasetError, match=r"Manually_Annotated_file_lists/training\.csv, train_set/annotations"):
        AffectNet(tmp_path)
