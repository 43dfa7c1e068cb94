import pytest

from avfer.datasets.corpus import open_corpus
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import empty


@pytest.mark.parametrize("name", ["ravdess", "crema_d", "emo_db"])
@pytest.mark.parametrize("split", ["avfr", "nowhere.txt"])
def test_an_unknown_split_of_speakers_raises_an_error(tmp_path, name, split):
    empty(*(tmp_path / f"{stem}.wav" for stem in ("03-01-05-01-01-01-01", "1001_DFA_ANG_XX", "03a01Fa")))
    with pytest.raises(ConfigError, match="unknown split"):
        open_corpus(name, tmp_path, split=split)


@pytest.mark.parametrize(
    ("name", "looked_for"),
    [
        ("ravdess", "Actor_01/01-01-01-01-01-01-01.mp4"),
        ("crema_d", "AudioWAV/1001_DFA_ANG_XX.wav"),
        ("emo_db", "wav/03a01Fa.wav"),
        ("afew", "Train_AFEW/Angry"),
        ("raf_db", "basic/EmoLabel/list_patition_label.txt"),
        ("sfew", "Train_Aligned_Faces/Angry"),
        ("caer_s", "CAER-S/train/Anger"),
    ],
)
def test_a_root_of_another_corpus_raises_an_error_that_lists_what_was_sought(tmp_path, name, looked_for):
    empty(tmp_path / "labels" / "Train_DE_01.csv", tmp_path / "train" / "videos" / "1.png")
    with pytest.raises(DatasetError, match=f"looked for {looked_for}"):
        open_corpus(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("elan", "rate", "fast", "rate: must be a number, got 'fast'"),
        ("elan", "offset", "nan", "offset: must be finite, got 'nan'"),
        ("elan", "tiers", 5, "tiers: must be a mapping, got 5"),
        ("table", "split", 70, "split: must be a text, got 70"),
        ("crema_d", "split", None, "split: must be a text or a path, got None"),
        ("affectnet", "classes", 7.5, "classes: must be an integer, got 7.5"),
        ("fec", "agreement", True, "agreement: must be a number, got True"),
    ],
)
def test_an_option_of_another_type_raises_an_error(tmp_path, name, option, value, message):
    with pytest.raises(ConfigError, match=f"corpus '{name}': {message}"):
        open_corpus(name, tmp_path, **{option: value})


def test_an_option_as_text_is_read_as_a_number(tmp_path):
    with pytest.raises(ConfigError, match=r"^rate: must be > 0 and <= 1000 Hz, got 1e\+06"):
        open_corpus("elan", tmp_path, rate="1e6")
