"""`avfer models`: the listing of models."""

import pytest
from rich.console import Console

from avfer.catalog import MODEL_KINDS, NAMES
from avfer.listed_models import print_models, read_listing
from avfer.model_details import listing_lines, print_card, sets_of_weights

ALL = [name for kind in MODEL_KINDS for name in NAMES[kind]]


@pytest.mark.parametrize("name", ALL)
def test_the_stored_line_of_a_model_is_that_of_its_cards_and_its_network(name):
    lines = listing_lines(name)
    stored = [line for line in read_listing() if line.name in {line.name for line in lines}]
    assert stored == lines, "run `python -m tools.zoo --listing`"


def test_the_lines_are_in_the_order_of_the_catalog():
    assert list(dict.fromkeys(line.name.partition(" (")[0] for line in read_listing())) == ALL


def test_models_list_names_every_model_of_the_catalog(avfer):
    result = avfer("models", "list")
    assert result.code == 0
    assert {name for kind in MODEL_KINDS for name in NAMES[kind]} <= {
        line.split(" ")[0] for line in result.out.splitlines()
    }


def test_a_narrow_terminal_shows_names_in_full_and_fewer_columns(capsys, monkeypatch):
    monkeypatch.setattr("avfer.listed_models.listing_console", lambda width: Console(width=80))
    print_models()
    lines = capsys.readouterr().out.splitlines()
    assert {line.name for line in read_listing()} <= {line[:23].rstrip() for line in lines}
    assert any("Left out below 160 columns: inputs" in line for line in lines)


def test_weights_for_commercial_use_are_separate_from_the_others():
    cards = {shown: card.commercial for name in ALL for shown, card in sets_of_weights(name)}
    commercial = {shown for shown, allowed in cards.items() if allowed}
    assert {"aver_lite", "voice_lite", "prosody_pitch", "mtcnn", "vggish"} <= commercial
    others = cards.keys() - commercial
    assert {"vggish_lite", "voice_lite (research)", "gru_lite (research)", "poster_v2", "dan"} <= others


def test_models_list_refuses_an_unknown_licence(avfer):
    assert avfer("models", "list", "--licence", "free").code == 2


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("aver_lite", "aver_lite.safetensors, in the package"),
        ("mtcnn", "onet.pt"),
        ("dan", "not in the package; `avfer models import` converts the authors' file"),
        ("mt_vgg", "not in the package; `avfer train` makes one"),
        ("temporal", "not in the package; `avfer train` makes one"),
    ],
)
def test_models_show_states_where_weights_are_found(capsys, name, place):
    print_card(name)
    assert place in capsys.readouterr().out


def test_a_narrow_terminal_shows_the_facts_of_a_card_beside_their_labels(capsys, monkeypatch):
    monkeypatch.setattr("avfer.model_details.listing_console", lambda width: Console(width=60))
    print_card("aver_lite")
    facts = {line[:29].rstrip(): line[29:].split() for line in capsys.readouterr().out.splitlines()}
    assert facts["inputs"] == ["face", "crop", "48x48"]
    assert facts["measured: accuracy without"] and facts["pictures that are also in"]


def test_a_network_that_defines_predict_alone_is_shown_with_its_cost(avfer):
    result = avfer("models", "show", "tests.toy_networks:MeanColour")
    assert result.code == 0
    lines = dict(line.split("  ", 1) for line in result.out.splitlines())
    assert lines["kind"].strip() == "backbone" and lines["inputs"].strip() == "face crop 16x16"


def test_a_network_without_a_card_is_shown_without_facts_that_only_a_card_states(avfer):
    result = avfer("models", "show", "tests.test_catalog:OwnModel")
    assert (result.code, result.err) == (0, "")
    assert "affect model" in result.out
    assert not any(fact in result.out for fact in ("inputs", "licence of the code", "MACs"))
