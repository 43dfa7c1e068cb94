"""The order of classes is never guessed: known and proven, chosen by the user, or none."""

import pytest

from avfer.errors import ConfigError
from avfer.models.card import Card, ClassOrder
from avfer.models.class_orders import assume, choose

THREE, OTHER, FOUR = ["neutral", "happiness", "fear"], ["fear", "neutral", "happiness"], ["a", "b", "c", "d"]


def card(num_classes: int, *orders: tuple[str, list[str], bool]) -> Card:
    known = [ClassOrder(name=name, classes=classes, proven=proven) for name, classes, proven in orders]
    return Card(name="x", task="", description="", options={"num_classes": num_classes}, classes=THREE, orders=known)


@pytest.mark.parametrize(
    ("orders", "classes", "assumed"),
    [
        ([("raf_db", OTHER, True)], OTHER, ""),
        ([("raf_db", OTHER, True), ("four", FOUR, False)], OTHER, ""),
        ([("raf_db", OTHER, True), ("copy", OTHER, False)], OTHER, ""),
        ([("affectnet", THREE, True), ("raf_db", OTHER, True)], THREE, "affectnet"),
        ([("raf_db", OTHER, True), ("affectnet", THREE, False)], [], ""),
        ([("affectnet", THREE, False)], [], ""),
        ([("four", FOUR, True)], [], ""),
        ([], THREE, ""),
    ],
    ids=["one", "another count", "twice the same", "two", "one unproven", "unproven", "none so long", "no classifier"],
)
def test_a_class_order_is_used_only_if_it_is_proven(orders, classes, assumed):
    found = assume(card(3, *orders))
    assert (found.classes, found.assumed) == (classes, assumed)


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ("raf_db", OTHER),
        ("fear,neutral,happiness", OTHER),
        ("Fear, Neutral, Happy", OTHER),
        ("sad,angry,surprised", ["sadness", "anger", "surprise"]),
        ("calm,at ease,x-ray", ["calm", "at_ease", "x_ray"]),
    ],
)
def test_the_user_chooses_by_corpus_or_by_names(given, classes):
    assert choose(card(3, ("raf_db", OTHER, True)), given).classes == classes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a,b", "2 names, but the file has 3 classes; choose --classes raf_db"),
        ("four", "4 names, but the file has 3"),
        ("a,b,a", "name each class once"),
        ("a,b,", "name each class once"),
        ("raf_dbb", "1 name, but the file has 3"),
    ],
)
def test_an_impossible_choice_of_classes_raises_an_error(given, message):
    with pytest.raises(ConfigError, match=message):
        choose(card(3, ("raf_db", OTHER, True), ("four", FOUR, True)), given)
