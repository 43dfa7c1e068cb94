"""`avfer models`: the listing of models."""

from avfer.catalog import MODEL_KINDS, NAMES


def test_models_list_names_every_model_of_the_catalog(avfer):
    result = avfer("models", "list")
    assert result.code == 0
    assert {name for kind in MODEL_KINDS for name in NAMES[kind]} <= {
        line.split(" ")[0] for line in result.out.splitlines()
    }


def test_models_list_separates_weights_for_commercial_use_from_the_others(avfer):
    commercial, research = (avfer("models", "list", "--licence", use).out for use in ("commercial", "research"))
    names = [{line.split()[0] for line in text.splitlines() if line.strip()} for text in (commercial, research)]
    assert {"aver_lite", "voice_lite", "prosody_pitch"} <= names[0] and "vggish_lite" not in names[0]
    assert {"vggish_lite", "poster_v2"} <= names[1] and "aver_lite" not in names[1]
    assert "gru_lite (research)" in research and "(research)" not in commercial
