from pathlib import Path

import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import empty, text

REAL = Path(__file__).parents[3] / "shared" / "data" / "speech" / "ravdess"


def told(example):
    """The name of the one class of an example, None where it has none."""
    labels = example.labels["expression"]
    assert labels.values.shape == labels.valid.shape == (1,)
    return labels.names[labels.values[0]] if labels.valid[0] else None


def classes(corpus):
    return {example.id: told(example) for part in corpus.partitions for example in corpus.examples(part)}


@pytest.mark.parametrize("folder", [".", "Actor_12", "Video_Speech_Actor_12/Actor_12", "audio/Actor_12"])
@pytest.mark.parametrize(
    ("emotion", "name"),
    [
        *((1, "neutral"), (2, "calm"), (3, "happiness"), (4, "sadness")),
        *((5, "anger"), (6, "fear"), (7, "disgust"), (8, "surprise")),
    ],
)
def test_ravdess_numbers_its_expressions_from_1(tmp_path, folder, emotion, name):
    path = tmp_path / folder / f"01-01-0{emotion}-01-02-01-12.mp4"
    empty(path, tmp_path / folder / ".DS_Store")
    corpus = open_corpus("ravdess", tmp_path)
    (example,) = corpus.examples("train")
    assert told(example) == name and example.subject == "Actor_12"
    assert example.video == example.audio == path and example.frames is None and len(example.times) == 1


@pytest.mark.parametrize(("modality", "ending"), [("01", "mp4"), ("02", "mp4"), ("03", "wav"), ("03", "flac")])
def test_ravdess_tells_in_the_name_what_can_be_seen_and_heard(tmp_path, modality, ending):
    empty(tmp_path / f"{modality}-02-06-01-02-01-15.{ending}")
    (example,) = open_corpus("ravdess", tmp_path).examples("dev")
    assert (example.video is not None, example.audio is not None) == (modality != "03", modality != "02")


def test_ravdess_reads_each_clip_once_and_counts_what_it_leaves_out(tmp_path):
    same = [f"{modality}-01-05-01-01-01-01" for modality in ("01", "02", "03")]
    empty(*(tmp_path / f"{name}.{'wav' if name[1] == '3' else 'mp4'}" for name in same), tmp_path / "notes.wav")
    empty(tmp_path / "03-01-03-01-02-01-07.wav", tmp_path / "03-01-03-01-02-02-07.wav", tmp_path / "01-01-09-01.mp4")
    corpus = open_corpus("ravdess", tmp_path)
    assert list(classes(corpus)) == ["01-01-05-01-01-01-01", "03-01-03-01-02-01-07"]
    assert sum(corpus.notes.counts.values()) == 5 + 2  # what is left out; two clips whose header tells no length


def test_a_video_of_ravdess_without_sound_goes_before_its_sound(tmp_path):
    empty(tmp_path / "02-01-05-01-01-01-01.mp4", tmp_path / "03-01-05-01-01-01-01.wav")
    corpus = open_corpus("ravdess", tmp_path)
    assert list(classes(corpus)) == ["02-01-05-01-01-01-01"]
    assert corpus.notes.counts["audio files of clips whose video is on disk: left out"] == 1


def test_ravdess_is_split_by_speaker_and_23_and_24_stay_out(tmp_path):
    empty(*(tmp_path / f"Actor_{actor:02d}" / f"03-01-05-01-01-01-{actor:02d}.wav" for actor in range(1, 25)))
    report = check(open_corpus("ravdess", tmp_path))
    assert report.passed and {p: c.subjects for p, c in report.partitions.items()} == {"train": 14, "dev": 4, "test": 4}
    assert any("outside the split" in sentence and count == 2 for sentence, count in report.notes.counts.items())
    assert "no official one" in report.protocol
    assert len(list(open_corpus("ravdess", tmp_path, split="all").examples("train"))) == 24
    split = text(tmp_path / "split.txt", "train: 1-20", "test: 21 22 23 24")
    assert open_corpus("ravdess", tmp_path, split=str(split)).partitions == ("train", "test")
    text(split, "train: 1-20", "test: 20 21")
    with pytest.raises(ConfigError, match="speaker 20 is in train and in test"):
        open_corpus("ravdess", tmp_path, split=str(split))


def test_songs_of_ravdess_may_be_read_alone(tmp_path):
    empty(tmp_path / "03-01-05-01-01-01-01.wav", tmp_path / "03-02-05-01-01-01-01.wav")
    assert list(classes(open_corpus("ravdess", tmp_path, channel="song"))) == ["03-02-05-01-01-01-01"]
    with pytest.raises(ConfigError, match="unknown channel 'singing'"):
        open_corpus("ravdess", tmp_path, channel="singing")


@pytest.mark.skipif(not REAL.exists(), reason="needs the sounds of RAVDESS in ../shared")
def test_ravdess_itself_is_read_whole():
    corpus = open_corpus("ravdess", REAL)
    report = check(corpus)
    assert report.passed
    assert {p: c.examples for p, c in report.partitions.items()} == {"train": 839, "dev": 240, "test": 240}
    names = [told(example) for example in corpus.examples("test")]
    assert names.count("neutral") == 16 and all(names.count(name) == 32 for name in set(names) - {"neutral"})
    assert 1.0 < next(iter(corpus.examples("train"))).times[0] < 3.0


VOTES = '"","A","D","F","H","N","S","fileName","numResponses"'


def crema_d(root, *rows):
    for name in ("1001_DFA_ANG_XX", "1040_ITH_SAD_X", "1070_IEO_FEA_HI", "1091_WSI_NEU_XX"):
        empty(root / "AudioWAV" / f"{name}.wav", root / "VideoFlash" / f"{name}.flv")
    if rows:
        text(root / "processedResults" / "tabulatedVotes.csv", VOTES, *rows)
    return root


def test_crema_d_is_read_by_the_codes_in_its_names(tmp_path):
    corpus = open_corpus("crema_d", crema_d(tmp_path))
    assert corpus.partitions == ("train", "dev", "test")
    assert list(classes(corpus).values()) == ["anger", "sadness", "fear", "neutral"]
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
def test_crema_d_has_six_classes(tmp_path, code, name):
    empty(tmp_path / "AudioMP3" / f"1002_IEO_{code}_LO.mp3")
    assert classes(open_corpus("crema_d", tmp_path)) == {f"1002_IEO_{code}_LO": name}


def test_the_better_sound_of_crema_d_is_read_and_strange_names_are_counted(tmp_path):
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
def test_votes_of_crema_d_are_of_those_who_heard_saw_or_got_both(tmp_path, ratings, winner):
    corpus = open_corpus("crema_d", crema_d(tmp_path, *ROWS), labels="voted", ratings=ratings)
    assert told(next(corpus.examples("train"))) == winner


def test_votes_of_crema_d_without_a_single_winner_are_not_valid(tmp_path):
    corpus = open_corpus("crema_d", crema_d(tmp_path, *ROWS), labels="voted")
    first, tied = corpus.examples("train")
    assert first.labels["votes"].names == ("neutral", "anger", "disgust", "fear", "happiness", "sadness")
    assert first.labels["votes"].values.tolist() == [[0, 2, 3, 0, 4, 1]] and told(tied) is None
    assert tied.labels["votes"].valid.all() and tied.labels["votes"].values[0, 1] == 5
    (unrated,) = corpus.examples("dev")
    assert told(unrated) is None and not unrated.labels["votes"].valid.any()
    assert corpus.notes.counts["clips whose votes have no single winner: not valid"] == 1
    assert corpus.notes.counts["clips without a row of votes"] == 1
    assert told(next(open_corpus("crema_d", tmp_path).examples("train"))) == "anger"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"300003",2,3,0,4,0,1,"x"', "line 2: 8 cells, expected 9"),
        ('"300003","0,5",3,0,4,0,1,"x",10', "line 2: '0,5' has a decimal comma"),
        ('"300003",-1,3,0,4,0,1,"x",10', "line 2: votes must be >= 0, got -1"),
    ],
)
def test_damaged_votes_are_a_fault_and_no_wrong_root(tmp_path, row, message):
    corpus = open_corpus("crema_d", crema_d(tmp_path, row))
    with pytest.raises(DatasetError, match=message):
        next(corpus.examples("train"))
    assert not check(corpus).passed


def test_addresses_that_git_left_in_place_of_sounds_are_a_fault(tmp_path):
    text(crema_d(tmp_path) / "AudioWAV" / "1003_DFA_ANG_XX.wav", "version https://git-lfs.example/spec/v1", "size 9")
    report = check(open_corpus("crema_d", tmp_path))
    assert any("Git LFS" in fault for fault in report.notes.faults)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "seen"}, "unknown labels"),
        ({"ratings": "ears"}, "unknown ratings"),
        ({"labels": "voted"}, "no processedResults/tabulatedVotes"),
    ],
)
def test_options_of_crema_d_that_cannot_work_are_refused(tmp_path, options, message):
    with pytest.raises((ConfigError, DatasetError), match=message):
        open_corpus("crema_d", crema_d(tmp_path), **options)


@pytest.mark.parametrize("folder", ["wav", ".", "emo_db/wav"])
@pytest.mark.parametrize(
    ("letter", "name"),
    [
        *(("W", "anger"), ("L", "boredom"), ("E", "disgust"), ("A", "fear")),
        *(("F", "happiness"), ("T", "sadness"), ("N", "neutral")),
    ],
)
def test_emo_db_goes_by_german_letters(tmp_path, folder, letter, name):
    empty(tmp_path / folder / f"03a01{letter}a.wav", tmp_path / folder / "04a01Fa.wav", tmp_path / "lablaut" / "x.lab")
    corpus = open_corpus("emo_db", tmp_path)
    assert classes(corpus) == {f"03a01{letter}a": name}
    (example,) = corpus.examples("train")
    assert example.subject == "03" and example.video is None and example.audio.exists()
    assert corpus.notes.counts["sounds that are not named as in EMO-DB: ignored"] == 1


def test_the_ten_speakers_of_emo_db_are_split_without_overlap(tmp_path):
    speakers = ("03", "08", "09", *map(str, range(10, 17)))
    empty(*(tmp_path / "wav" / f"{speaker}b10Tb.wav" for speaker in speakers))
    report = check(open_corpus("emo_db", tmp_path))
    assert report.passed and [counts.subjects for counts in report.partitions.values()] == [6, 2, 2]


WORDS = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}


def afew(root, train="Train_AFEW", dev="Val_AFEW"):
    for place, start in ((train, 0), (dev, 100)):
        for number, word in enumerate(WORDS, start=start):
            empty(root / place / word / f"{number:09d}.avi")
    return root


@pytest.mark.parametrize(
    "names", [("Train_AFEW", "Val_AFEW"), ("Train", "Val"), ("AFEW/train_afew", "AFEW/Val-AFEW")], ids=str
)
def test_afew_goes_by_the_words_of_its_folders(tmp_path, names):
    corpus = open_corpus("afew", afew(tmp_path, *names))
    assert corpus.partitions == ("train", "dev")
    assert [told(example) for example in corpus.examples("dev")] == list(WORDS.values())
    first = next(corpus.examples("train"))
    assert first.id == "000000000" and first.video == first.audio and first.video.exists() and first.pictures == ()
    assert check(corpus).passed


def test_the_face_in_the_middle_is_the_picture_of_a_clip_of_afew(tmp_path):
    faces = afew(tmp_path) / "Val_AFEW" / "AlignedFaces_LBPTOP_Points_Val" / "Faces" / "000000100"
    empty(*(faces / f"{number}.jpg" for number in (2, 9, 10, 11, 100)), faces / "Thumbs.db")
    corpus = open_corpus("afew", tmp_path)
    first, second, *_ = corpus.examples("dev")
    assert first.pictures == (faces / "10.jpg",) and second.pictures == (None,)
    assert corpus.notes.counts["clips without a folder of aligned faces"] == 6
    assert next(corpus.examples("train")).pictures == ()


def test_clips_of_the_test_partition_of_afew_have_no_labels(tmp_path):
    empty(afew(tmp_path) / "Test_AFEW" / "000000200.avi")
    (example,) = open_corpus("afew", tmp_path).examples("test")
    assert example.labels == {} and example.video == tmp_path / "Test_AFEW" / "000000200.avi"


def test_a_class_of_afew_that_is_not_there_is_a_fault(tmp_path):
    afew(tmp_path)
    (tmp_path / "Train_AFEW" / "Sad" / "000000005.avi").unlink()
    (tmp_path / "Train_AFEW" / "Sad").rmdir()
    report = check(open_corpus("afew", tmp_path))
    assert not report.passed and report.partitions["train"].examples == 6


def test_a_clip_of_afew_in_two_partitions_is_a_leak(tmp_path):
    empty(afew(tmp_path) / "Val_AFEW" / "Sad" / "000000000.avi")
    assert check(open_corpus("afew", tmp_path)).leaks == {"recording 000000000": ("train", "dev")}


@pytest.mark.parametrize("name", ["ravdess", "crema_d", "emo_db"])
@pytest.mark.parametrize("split", ["avfr", "nowhere.txt"])
def test_a_split_that_is_not_known_is_refused(tmp_path, name, split):
    empty(*(tmp_path / f"{stem}.wav" for stem in ("03-01-05-01-01-01-01", "1001_DFA_ANG_XX", "03a01Fa")))
    with pytest.raises(ConfigError, match="unknown split"):
        open_corpus(name, tmp_path, split=split)


@pytest.mark.parametrize("name", ["ravdess", "crema_d", "emo_db", "afew"])
def test_a_root_of_another_corpus_says_what_was_looked_for(tmp_path, name):
    empty(tmp_path / "labels" / "Train_DE_01.csv")
    with pytest.raises(DatasetError, match="looked for"):
        open_corpus(name, tmp_path)
