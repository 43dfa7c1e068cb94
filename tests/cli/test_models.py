"""`avfer models`: the listing of models."""

from avfer.catalog import MODEL_KINDS, NAMES
from avfer.model_listing import sets_of_weights


def test_models_list_names_every_model_of_the_catalog(avfer):
    result = avfer("models", "list")
    assert result.code == 0
    assert {name for kind in MODEL_KINDS for name in NAMES[kind]} <= {
        line.split(" ")[0] for line in result.out.splitlines()
    }


def test_weights_for_commercial_use_are_separate_from_the_others():
    names = [name for kind in MODEL_KINDS for name in NAMES[kind]]
    cards = {shown: card.commercial for name in names for shown, card in sets_of_weights(name)}
    commercial = {shown for shown, allowed in cards.items() if allowed}
    assert {"aver_lite", "voice_lite", "prosody_pitch", "mtcnn", "vggish"} <= commercial
    others = cards.keys() - commercial
    assert {"vggish_lite", "voice_lite (research)", "gru_lite (research)", "poster_v2", "dan"} <= others


def test_models_list_refuses_an_unknown_licence(avfer):
    assert avfer("models", "list", "--licence", "free").code == 2
