import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import empty, expression, expressions, text

VOTES = '"","A","D","F","H","N","S","fileName","numResponses"'


def crema_d(root, *rows):
    for name in ("1001_DFA_ANG_XX", "1040_ITH_SAD_X", "1070_IEO_FEA_HI", "1091_WSI_NEU_XX"):
        empty(root / "AudioWAV" / f"{name}.wav", root / "VideoFlash" / f"{name}.flv")
    if rows:
        text(root / "processedResults" / "tabulatedVotes.csv", VOTES, *rows)
    return root


def test_labels_are_the_codes_in_the_names(tmp_path):
    corpus = open_corpus("crema_d", crema_d(tmp_path))
    assert corpus.partitions == ("train", "dev", "test")
    assert list(expressions(corpus).values()) == ["anger", "sadness", "fear", "neutral"]
    example = next(corpus.examples("train"))
    assert example.subject == "1001" and example.video == tmp_path / "VideoFlash" / "1001_DFA_ANG_XX.flv"
    assert example.audio == tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav" and "votes" not in example.labels


@pytest.mark.parametrize(
    ("code", "name"),
    [
        *(("ANG", "anger"), ("DIS", "disgust"), ("FEA", "fear")),
        *(("HAP", "happiness"), ("NEU", "neutral"), ("SAD", "sadness")),
    ],
)
def test_there_are_six_classes(tmp_path, code, name):
    empty(tmp_path / "AudioMP3" / f"1002_IEO_{code}_LO.mp3")
    assert expressions(open_corpus("crema_d", tmp_path)) == {f"1002_IEO_{code}_LO": name}


def test_wav_is_preferred_to_mp3_and_other_names_are_counted(tmp_path):
    names = ("1001_DFA_ANG_XX.mp3", "1002_DFA_ANG_XX.mp3", "1092_DFA_ANG_XX.mp3", "1001_XXX_ANG_XX.mp3")
    empty(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav", *(tmp_path / "AudioMP3" / name for name in names))
    corpus = open_corpus("crema_d", tmp_path)
    assert [e.audio.suffix for e in corpus.examples("train")] == [".wav", ".mp3"]
    assert corpus.notes.counts["media that are not named as in CREMA-D: ignored"] == 2
    assert corpus.notes.counts["further files of one clip: one is read, .wav before .mp3"] == 1


ROWS = (
    '"100001",1,0,0,0,9,0,"1001_DFA_ANG_XX",10',
    '"200001",0,0,4,0,1,5,"1001_DFA_ANG_XX",10',
    '"300001",2,3,0,4,0,1,"1001_DFA_ANG_XX",10',
    '"300002",5,0,0,0,0,5,"1040_ITH_SAD_X",10',
)


@pytest.mark.parametrize(("ratings", "winner"), [("voice", "neutral"), ("face", "sadness"), ("both", "happiness")])
def test_votes_are_those_of_the_chosen_raters(tmp_path, ratings, winner):
    corpus = open_corpus("crema_d", crema_d(tmp_path, *ROWS), labels="voted", ratings=ratings)
    assert expression(next(corpus.examples("train"))) == winner


def test_votes_without_a_single_winner_are_not_valid(tmp_path):
    corpus = open_corpus("crema_d", crema_d(tmp_path, *ROWS), labels="voted")
    first, tied = corpus.examples("train")
    assert first.labels["votes"].names == ("neutral", "anger", "disgust", "fear", "happiness", "sadness")
    assert first.labels["votes"].values.tolist() == [[0, 2, 3, 0, 4, 1]] and expression(tied) is None
    assert tied.labels["votes"].valid.all() and tied.labels["votes"].values[0, 1] == 5
    (unrated,) = corpus.examples("dev")
    assert expression(unrated) is None and not unrated.labels["votes"].valid.any()
    assert corpus.notes.counts["clips whose votes have no single winner: not valid"] == 1
    assert corpus.notes.counts["clips without a row of votes"] == 1
    assert expression(next(open_corpus("crema_d", tmp_path).examples("train"))) == "anger"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"300003",2,3,0,4,0,1,"x"', "line 2: 8 cells, expected 9"),
        ('"300003","0,5",3,0,4,0,1,"x",10', "line 2: '0,5' has a decimal comma"),
        ('"300003",-1,3,0,4,0,1,"x",10', "line 2: votes must be >= 0, got -1"),
    ],
)
def test_damaged_votes_are_a_fault_of_the_check(tmp_path, row, message):
    corpus = open_corpus("crema_d", crema_d(tmp_path, row))
    with pytest.raises(DatasetError, match=message):
        next(corpus.examples("train"))
    assert not check(corpus).passed


def test_pointers_of_git_lfs_are_a_fault(tmp_path):
    text(crema_d(tmp_path) / "AudioWAV" / "1003_DFA_ANG_XX.wav", "version https://git-lfs.example/spec/v1", "size 9")
    report = check(open_corpus("crema_d", tmp_path))
    assert any("Git LFS" in fault for fault in report.notes.faults)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "guessed"}, "unknown labels"),
        ({"ratings": "ears"}, "unknown ratings"),
        ({"labels": "voted"}, "no processedResults/tabulatedVotes"),
    ],
)
def test_options_that_do_not_fit_raise_an_error(tmp_path, options, message):
    with pytest.raises((ConfigError, DatasetError), match=message):
        open_corpus("crema_d", crema_d(tmp_path), **options)
