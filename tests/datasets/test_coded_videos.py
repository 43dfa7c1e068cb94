"""Videos with codings of ELAN or BORIS beside them have the labels of a table with the same values."""

import numpy as np
import pytest

from avfer.datasets.coded_videos import DAMAGED, NO_LENGTH, NO_MARKS, UNCODED, UNREADABLE
from avfer.datasets.corpus import check, open_corpus
from avfer.errors import ConfigError, DatasetError
from tests.codings.made import MARKS, write_boris_project, write_boris_tabular, write_elan
from tests.datasets.on_disk import text
from tests.media_maker import stripes, write_clip

FRAMES = 50  # 2.0 s


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("media") / "talk.mp4", stripes(FRAMES)).read_bytes()


@pytest.fixture
def root(tmp_path, media):
    for name in ("anna/talk.mp4", "ben/talk.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(media)
    return tmp_path


def write_twin(root, subjects=("anna", "ben")):
    """Write the labels of MARKS as a table of avfer, one row for each step."""
    rows = ["path,subject,time_s,valence,expression,au12"]
    for subject in subjects:
        for step in range(FRAMES):
            coded = ("0.0,neutral" if step < 20 else "0.5,happiness") if step < 40 else ","
            rows.append(f"{subject}/talk.mp4,{subject},{step / 25},{coded},{int(20 <= step < 35)}")
    text(root / "labels.csv", *rows)


def same_labels(found, twin):
    assert found.labels.keys() == twin.labels.keys() == {"valence", "expression", "action_units"}
    for kind, labels in found.labels.items():
        other = twin.labels[kind]
        assert labels.names == other.names
        assert np.array_equal(labels.values, other.values, equal_nan=True) and np.array_equal(labels.valid, other.valid)


def test_documents_of_elan_give_the_labels_of_their_twin(root):
    write_elan(root / "anna" / "talk.eaf")
    write_elan(root / "ben" / "talk.eaf")
    write_twin(root)
    corpus, twin = open_corpus("elan", root, split="50/50"), open_corpus("table", root, split="50/50")
    assert corpus.partitions == twin.partitions == ("train", "dev")
    for partition in corpus.partitions:
        (found,), (other,) = corpus.examples(partition), twin.examples(partition)
        assert (found.id, found.subject, found.video, found.audio) == (
            other.id,
            other.subject,
            other.video,
            other.audio,
        )
        assert np.allclose(found.times, other.times)
        same_labels(found, other)


@pytest.mark.parametrize("write, name", [(write_boris_project, "p.boris"), (write_boris_tabular, "p.tsv")])
def test_codings_of_boris_find_their_video_by_its_name(root, write, name):
    (root / "ben" / "talk.mp4").unlink()
    write(root / name)
    write_twin(root, ["anna"])
    (found,) = open_corpus("boris", root).examples("train")
    same_labels(found, next(open_corpus("table", root, file="labels.csv").examples("train")))
    assert found.id == "anna/talk.mp4" and found.labels["action_units"].values.sum() == 15


def test_a_damaged_video_is_a_fault_and_its_steps_end_at_the_last_mark(root):
    write_elan(root / "anna" / "talk.eaf")
    write_elan(root / "ben" / "talk.eaf")
    (root / "ben" / "talk.mp4").write_text("no video")
    corpus = open_corpus("elan", root)
    found = check(corpus)
    assert found.partitions["train"].examples == 2 and found.complete
    assert found.notes.counts[DAMAGED] == 1 and DAMAGED in found.notes.faults
    assert len(list(corpus.examples("train"))[1]) == 25 * 1.6


def test_the_steps_of_a_matroska_video_end_with_the_video(root):
    write_clip(root / "anna" / "talk.mkv", stripes(FRAMES))
    (root / "anna" / "talk.mp4").unlink()
    write_elan(root / "anna" / "talk.eaf", clip="talk.mkv")
    corpus = open_corpus("elan", root)
    assert len(next(corpus.examples("train"))) == FRAMES and NO_LENGTH not in corpus.notes.counts


def test_a_document_without_marks_is_left_out(root):
    write_elan(root / "anna" / "talk.eaf")
    text(root / "ben" / "talk.eaf", "<ANNOTATION_DOCUMENT><TIER TIER_ID='AU12'/></ANNOTATION_DOCUMENT>")
    corpus = open_corpus("elan", root, split="test")
    assert [example.id for example in corpus.examples("test")] == ["anna/talk.mp4"]
    assert corpus.notes.counts[NO_MARKS] == 1
    (root / "anna" / "talk.eaf").unlink()
    assert open_corpus("elan", root, split="test").partitions == ()


def test_a_table_of_another_encoding_is_a_fault_and_the_codings_are_read(root):
    write_boris_project(root / "p.boris", clip="talk.mp4")
    (root / "ben" / "talk.mp4").unlink()
    (root / "questionnaire.csv").write_bytes("Größe;Alter\n".encode("cp1252"))
    corpus = open_corpus("boris", root)
    assert len(list(corpus.examples("train"))) == 1
    assert corpus.notes.counts[UNREADABLE] == 1 and UNREADABLE in corpus.notes.faults
    (root / "p.boris").unlink()
    with pytest.raises(DatasetError, match=r"questionnaire.csv, line 1: not UTF-8"):
        open_corpus("boris", root)


def test_videos_without_a_coding_are_counted_and_sounds_beside_coded_videos_are_not(root):
    write_elan(root / "anna" / "talk.eaf")
    text(root / "anna" / "talk.wav")
    corpus = open_corpus("elan", root)
    assert len(list(corpus.examples("train"))) == 1
    assert corpus.notes.places[UNCODED] == [str(root / "ben" / "talk.mp4")]


def test_folders_called_train_and_dev_are_partitions(tmp_path, media):
    for part in ("train/s1", "dev/s2"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "a.mp4").write_bytes(media)
        write_elan(tmp_path / part / "a.eaf", clip="a.mp4")
    corpus = open_corpus("elan", tmp_path)
    assert corpus.partitions == ("train", "dev") and corpus.protocol == "partitions as folders"
    assert [example.subject for part in corpus.partitions for example in corpus.examples(part)] == ["s1", "s2"]
    assert check(corpus).passed
    with pytest.raises(ConfigError, match="leave out split"):
        open_corpus("elan", tmp_path, split="50/50")


def test_tiers_offset_rest_and_rate_are_options(root):
    marks = [("smile", 10.8, 11.4, ""), ("joy", 10.0, 11.0, ""), ("words", 10.0, 11.0, "hello")]
    write_elan(root / "anna" / "talk.eaf", marks)
    options = {"tiers": {"smile": "AU12"}, "offset": -10.0, "rest": "neutral", "rate": 10.0}
    corpus = open_corpus("elan", root, **options)
    (found,) = corpus.examples("train")
    assert len(found) == 20 and found.labels["action_units"].names == ("AU12",)
    assert found.labels["action_units"].values[:, 0].tolist() == [0] * 8 + [1] * 6 + [0] * 6
    names = [found.labels["expression"].names[index] for index in found.labels["expression"].values]
    assert names == ["happiness"] * 10 + ["neutral"] * 10
    assert any(
        "'words'" in place
        for place in corpus.notes.places["tiers without a column: not read; set tiers={NAME: COLUMN} to read one"]
    )


@pytest.mark.parametrize("linked", ["talk.mp4", "renamed.mp4"])
def test_the_clip_is_the_video_and_not_a_sound_of_the_same_name(root, linked):
    text(root / "anna" / "talk.wav", "the waveform that ELAN draws")
    write_elan(root / "anna" / "talk.eaf", clip=linked)
    corpus = open_corpus("elan", root)
    (found,) = corpus.examples("train")
    assert found.video == root / "anna" / "talk.mp4" and not corpus.notes.faults


def test_a_coding_without_its_video_is_a_fault(root):
    write_elan(root / "anna" / "talk.eaf")
    write_elan(root / "anna" / "lost.eaf", clip="lost.mp4")
    corpus = open_corpus("elan", root)
    assert not check(corpus).passed
    assert "lost.mp4" in corpus.notes.places["codings without their video or audio: left out"][0]


def test_a_name_of_several_videos_is_a_fault(root):
    write_boris_project(root / "p.boris")
    assert (
        "codings whose clip could be several files: left out; rename the files"
        in open_corpus("boris", root).notes.faults
    )


def test_a_folder_without_codings_is_an_error(root):
    with pytest.raises(DatasetError, match=r"no coding of elan in .* looked for \*.eaf"):
        open_corpus("elan", root)


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"rate": 0}, "rate: must be > 0"),
        ({"tiers": {"AU13": "AU12"}}, "unknown tier 'AU13'"),
        ({"tiers": {"AU12": "grin"}}, "must be TIER=COLUMN"),
        ({"subject": "Carl"}, "unknown subject 'Carl'"),
        ({"split": "70/70"}, "must sum to 100"),
    ],
)
def test_a_wrong_option_is_an_error(root, options, problem):
    write_elan(root / "anna" / "talk.eaf", MARKS)
    with pytest.raises(ConfigError, match=problem):
        open_corpus("elan", root, **options)


def test_a_corpus_is_checked_on_the_command_line(avfer, root):
    write_elan(root / "anna" / "talk.eaf")
    done = avfer("corpora", "check", "elan", root, "--set", "tiers={valence: arousal}")
    assert done.code == 0 and "valid arousal" in done.out
