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
