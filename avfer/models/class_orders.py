"""In which order a checkpoint numbers its classes: a file never says, and a wrong guess spoils every result.

A card lists the orders that the authors' checkpoints are known to follow. One known and proven order is taken;
several proven ones: the likeliest, noted on the card as assumed; an unproven one is never taken unasked.
"""

from avfer.errors import ConfigError
from avfer.models.card import Card

SAME = {  # other spellings of the names that avfer uses
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "surprised": "surprise",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
}


def num_classes(card: Card) -> int:
    """Logits of the network that the card describes."""
    return int(card.options.get("num_classes", len(card.classes)))


def assume(card: Card) -> Card:
    """The card with the order that is known for so many classes; without classes where none is known or proven."""
    if not card.orders:
        return card
    orders = [order for order in card.orders if len(order.classes) == num_classes(card)]
    lists = {tuple(order.classes): False for order in orders}
    for order in orders:
        lists[tuple(order.classes)] |= order.proven
    if not lists or not all(lists.values()):
        return card.model_copy(update={"classes": [], "assumed": ""})
    assumed = orders[0].name if len(lists) > 1 else ""
    return card.model_copy(update={"classes": list(orders[0].classes), "assumed": assumed})


def choose(card: Card, given: str) -> Card:
    """The card with the classes that a user names: a corpus whose order is known, or all names with commas."""
    order = next((order for order in card.orders if order.name == given), None)
    names = order.classes if order else [_name(text) for text in given.split(",")]
    if len(names) != num_classes(card):
        told = f"--classes {given} names {len(names)}, but the file has {num_classes(card)} classes"
        raise ConfigError(f"{told}; {known(card)}")
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise ConfigError(f"--classes {given}: each class once, in letters, as in neutral,happiness,sadness")
    return card.model_copy(update={"classes": list(names), "assumed": ""})


def known(card: Card) -> str:
    """The orders that a user may choose from, in words."""
    fitting = [order for order in card.orders if len(order.classes) == num_classes(card)]
    told = [
        f"--classes {order.name} ({', '.join(order.classes)}{'' if order.proven else '; expected, not proven'})"
        for order in fitting
    ]
    return "choose " + " or ".join([*told, "--classes A,B,... in the order of the logits"])


def _name(text: str) -> str:
    name = text.strip().lower().replace(" ", "_").replace("-", "_")
    return SAME.get(name, name)
