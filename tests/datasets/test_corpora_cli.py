import json

import numpy as np
import pytest

from avfer.catalog import NAMES
from avfer.datasets.example import MAX_PLACES, Corpus, Example, Labels, Notes
from tests.datasets.on_disk import RATERS, arff, empty, ratings, text
from tests.media_maker import stripes, tone, write_clip

RATED = np.zeros((3, 6)) + np.array([[0.1], [0.2], [0.3]])
WELL = 0
WRONG = 2
FAULTS = 3


def recola(root, names=("train_1", "train_2", "dev_1")):
    for name in names:
        for dimension in ("arousal", "valence"):
            arff(root / "ratings_gold_standard" / dimension / f"{name}.arff", [0.1, "?", 0.3])
    return root


def va(root, name, steps=3, partition="Train_Set", task="VA_Estimation_Challenge", header="valence,arousal", row="0,0"):
    text(root / task / partition / f"{name}.txt", header, *[row] * steps)
    return root


def test_all_corpora_of_the_catalog_are_listed_with_their_options(avfer):
    result = avfer("corpora", "list")
    assert result.code == WELL
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == list(NAMES["corpus"])
    assert "gold, split" in result.out and "path, subject, time_s or frame, valence, arousal" in result.out


def test_a_corpus_without_faults_is_counted(avfer, tmp_path):
    result = avfer("corpora", "check", "recola", recola(tmp_path))
    assert result.code == WELL and "AVEC 2015 and 2016" in result.out
    table = {line.rsplit(maxsplit=2)[0].strip(): line.split()[-2:] for line in result.out.splitlines() if line.strip()}
    assert table["examples"] == ["2", "1"] and table["steps"] == ["6", "3"] and table["valid valence"] == ["4", "2"]
    assert "none of 3 subjects is in two partitions" in result.out


def test_one_json_object_has_the_same_counts(avfer, tmp_path):
    result = avfer("corpora", "check", "recola", recola(tmp_path), "--json")
    report = json.loads(result.out)
    assert report["passed"] and report["corpus"] == "recola" and report["leaks"] == []
    train = report["partitions"]["train"]
    assert (train["examples"], train["subjects"], train["steps"], train["media_missing"]) == (2, 2, 6, 2)
    assert train["valid"] == {"arousal": 4, "valence": 4}
    assert {"note", "count", "first", "places", "fault"} == set(report["notes"][0]) and not report["notes"][0]["fault"]


def test_a_leak_is_named_and_ends_with_3(avfer, tmp_path):
    for subject in ("P16", "P17"):
        for dimension in ("arousal", "valence"):
            folder = tmp_path / "recola" / "RECOLA-Annotation" / "emotional_behaviour" / dimension
            ratings(folder / f"{subject}.csv", RATED, "time;" + ";".join(RATERS))
    split = text(tmp_path / "split.txt", "train: P16", "dev: P16 P17")
    result = avfer("corpora", "check", "recola", tmp_path / "recola", "--set", f"split={split}")
    assert (
        result.code == FAULTS
        and "leak: subject P16 is in train and in dev" in result.out
        and "P17 is" not in result.out
    )
    as_json = avfer("corpora", "check", "recola", tmp_path / "recola", "--set", f"split={split}", "--json")
    assert as_json.code == FAULTS
    assert json.loads(as_json.out)["leaks"] == [{"who": "subject P16", "partitions": ["train", "dev"]}]


@pytest.mark.parametrize("leak", [False, True])
def test_every_task_is_checked(avfer, tmp_path, leak):
    va(tmp_path, "a")
    expr = {"task": "EXPR_Recognition_Challenge", "header": "Neutral,Anger", "row": "1"}
    va(tmp_path, "b", **expr)
    va(tmp_path, "b" if leak else "c", partition="Validation_Set", **expr)
    result = avfer("corpora", "check", "aff_wild2", tmp_path, "--json")
    tasks = json.loads(result.out)["tasks"]
    assert result.code == (FAULTS if leak else WELL)
    assert tasks["va"]["passed"] and tasks["expr"]["passed"] == (not leak)
    assert avfer("corpora", "check", "aff_wild2", tmp_path, "--set", "task=va").code == WELL


def test_pictures_found_and_missing_are_counted(avfer, tmp_path):
    va(tmp_path, "a", steps=4)
    empty(*(tmp_path / "cropped_aligned" / "a" / f"{number:05d}.jpg" for number in (2, 4)))
    train = json.loads(avfer("corpora", "check", "aff_wild2", tmp_path, "--json").out)["partitions"]["train"]
    assert (train["pictures"], train["pictures_missing"], train["media_missing"]) == (2, 2, 0)


def test_a_file_that_cannot_be_read_is_a_fault_with_its_place(avfer, tmp_path):
    va(va(tmp_path, "a"), "b", row="0,1,0,2")
    va(tmp_path, "c", partition="Validation_Set")
    result = avfer("corpora", "check", "aff_wild2", tmp_path)
    assert result.code == FAULTS and "b.txt, line 2" in result.out and "no leak in what could be read" in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("recola", "."), "no RECOLA in"),
        (("recola", "nowhere"), "does not exist"),
        (("recolla", "."), "did you mean 'recola'"),
        (("recola", ".", "--set", "golden=mean"), "did you mean 'gold'"),
        (("recola", ".", "--set", "gold"), "write it as"),
        (("os:system", "."), "corpus 'os:system': 'os' is part of Python's standard library"),
        (("avfer.errors:unknown", "."), "must be a subclass of avfer.datasets.example.Corpus, not a function"),
        (
            (f"{__name__}:Underived", "."),
            "must be a subclass of avfer.datasets.example.Corpus, which the class Underived is not",
        ),
    ],
)
def test_a_wrong_name_root_or_option_ends_with_2(avfer, tmp_path, arguments, message):
    empty(tmp_path / "something.txt")
    name, root, *others = arguments
    result = avfer("corpora", "check", name, tmp_path / root, *others)
    assert result.code == WRONG and message in result.err and result.out == ""


@pytest.mark.parametrize(("steps", "beyond"), [(12, 0), (15, 3)])
def test_labels_longer_than_the_video_are_counted(avfer, tmp_path, steps, beyond):
    va(tmp_path, "clip", steps=steps)
    (tmp_path / "batch1").mkdir()
    write_clip(tmp_path / "batch1" / "clip.mp4", stripes(12))
    notes = json.loads(avfer("corpora", "check", "aff_wild2", tmp_path, "--json").out)["notes"]
    assert sum(note["count"] for note in notes if "after the end of the video" in note["note"]) == beyond


@pytest.mark.parametrize(
    ("steps", "words", "count"), [(7, "go on after", 1), (12, "go on after", 0), (16, "after the end", 2)]
)
def test_labels_by_time_are_compared_with_the_length_of_the_video(avfer, tmp_path, steps, words, count):
    for dimension in ("arousal", "valence"):
        arff(tmp_path / "ratings_gold_standard" / dimension / "dev_1.arff", [0.0] * steps)
    (tmp_path / "recordings_video").mkdir()
    write_clip(tmp_path / "recordings_video" / "dev_1.mp4", stripes(12), fps=25)
    notes = json.loads(avfer("corpora", "check", "recola", tmp_path, "--json").out)["notes"]
    assert sum(note["count"] for note in notes if words in note["note"]) == count


def test_a_video_that_cannot_be_opened_is_noted(avfer, tmp_path):
    va(tmp_path, "clip")
    empty(tmp_path / "batch1" / "clip.mp4")
    result = avfer("corpora", "check", "aff_wild2", tmp_path)
    assert result.code == WELL and "cannot be opened: 1" in result.out and "clip.mp4" in result.out


class Underived:
    """A corpus that is not derived from the base class and so declares no tasks."""

    def __init__(self, root):
        self.root = root

    def examples(self, partition):
        yield from ()


class Made(Corpus):
    """A corpus outside avfer; a test sets its examples."""

    name = "made"
    distribution = protocol = "made up"
    partitions = ("train", "test")
    found: tuple[Example, ...] = ()

    def __init__(self, root):
        self.root = root
        self.notes = Notes()

    def examples(self, partition):
        yield from (example for example in self.found if example.partition == partition)


def example(name, partition="train", **more):
    return Example(name, partition, {"valence": Labels(np.zeros(2), np.array([True, False]))}, **more)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((), "no examples at all"),
        ((example("a"), example("a")), "examples with the same id"),
        ((example("a"), example("a", "test")), "recording a is in train and in test"),
        ((example("a", subject="s"), example("b", "test", subject="s")), "subject s is in train and in test"),
    ],
)
def test_faults_of_any_corpus_are_found(avfer, tmp_path, monkeypatch, found, message):
    monkeypatch.setattr(Made, "found", found)
    result = avfer("corpora", "check", f"{__name__}:Made", tmp_path)
    assert result.code == FAULTS and message in result.out


def test_missing_media_are_a_fault(avfer, tmp_path, monkeypatch):
    monkeypatch.setattr(Made, "found", (example("a", audio=tmp_path / "gone.wav"),))
    result = avfer("corpora", "check", f"{__name__}:Made", tmp_path)
    assert result.code == FAULTS and "gone.wav" in result.out


def test_recordings_replace_subjects_in_a_corpus_without_them(avfer, tmp_path, monkeypatch):
    monkeypatch.setattr(Made, "found", (example("a"), example("b", "test")))
    result = avfer("corpora", "check", f"{__name__}:Made", tmp_path)
    assert result.code == WELL and "none of 2 recordings is in two partitions" in result.out


def test_recordings_without_sound_are_named_if_others_have_sound(avfer, tmp_path):
    for name, sound in (("loud", tone(0.2)), ("mute1", None), ("mute2", None)):
        va(tmp_path, name)
        (tmp_path / "batch1").mkdir(exist_ok=True)
        write_clip(tmp_path / "batch1" / f"{name}.mp4", stripes(5), sound=sound)
    result = avfer("corpora", "check", "aff_wild2", tmp_path)
    assert result.code == WELL and "recordings without sound, in a corpus that has others with sound: 2" in result.out
    assert "(first: mute1)\n    mute2\n" in result.out


def test_folders_of_pictures_without_labels_are_named(avfer, tmp_path):
    va(tmp_path, "clip")
    empty(*(tmp_path / "cropped_aligned" / name / "00001.jpg" for name in ("clip", "other", "third")))
    notes = json.loads(avfer("corpora", "check", "aff_wild2", tmp_path, "--json").out)["notes"]
    note = next(note for note in notes if note["note"] == "folders of pictures without a label file of the task")
    assert note["count"] == 2 and [place.rpartition("/")[2] for place in note["places"]] == ["other", "third"]
    assert note["first"] == note["places"][0] and not note["fault"]


def test_places_of_a_fault_are_named_up_to_a_limit(avfer, tmp_path, monkeypatch):
    monkeypatch.setattr(Made, "found", tuple(example(str(i), audio=tmp_path / f"gone{i}.wav") for i in range(30)))
    result = avfer("corpora", "check", f"{__name__}:Made", tmp_path)
    named = [i for i in range(30) if f"gone{i}.wav" in result.out]
    assert result.code == FAULTS and named == list(range(MAX_PLACES)) and "missing: 30 (first: " in result.out


@pytest.mark.parametrize("root", ["x" * 300, "file.txt/corpus"])
def test_a_root_that_no_folder_can_have_ends_with_2(avfer, tmp_path, root):
    empty(tmp_path / "file.txt")
    result = avfer("corpora", "check", "recola", tmp_path / root)
    assert result.code == WRONG and "unexpected" not in result.err
    assert ("too long for a path" if root.startswith("x") else "does not exist") in result.err
