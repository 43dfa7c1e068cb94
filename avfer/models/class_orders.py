"""The order in which a checkpoint numbers its classes. No file states it, and a wrong order makes every result wrong.

A card lists the orders that the authors' checkpoints are known to follow. If one known and proven order fits, it is
used. If several proven orders fit, the likeliest is used and noted on the card as assumed. An order that is not proven
is used only if the user names it.
"""

from collections.abc import Sequence

from avfer.errors import ConfigError, counted
from avfer.models.card import Card, ClassOrder

AFFECTNET = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]  # the last: of 8
RAF_DB = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
FERPLUS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
AFF_WILD2 = ["neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"]
AFFECTNET_7 = ClassOrder(name="affectnet_7", classes=AFFECTNET[:7])
AFFECTNET_8 = ClassOrder(name="affectnet_8", classes=AFFECTNET)
SYNONYMS = {  # other spellings -> the names that avfer uses
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "surprised": "surprise",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
}


def classes_of(orders: Sequence[ClassOrder], count: int) -> list[str]:
    """Return the classes of the first order with so many of them; [] if there is none."""
    return next((order.classes for order in orders if len(order.classes) == count), [])


def num_classes(card: Card) -> int:
    """Return the number of expression logits of the network that a card describes."""
    return int(card.options.get("num_classes", len(card.classes)))


def assume(card: Card) -> Card:
    """Return the card with the order that is known for its number of classes.

    Without a known and proven order the card has no classes; a card that lists no orders stays as it is.
    """
    if not card.orders:
        return card
    orders = [order for order in card.orders if len(order.classes) == num_classes(card)]
    proven = {tuple(order.classes): False for order in orders}
    for order in orders:
        proven[tuple(order.classes)] |= order.proven
    if not proven or not all(proven.values()):
        return card.model_copy(update={"classes": [], "assumed": ""})
    assumed = orders[0].name if len(proven) > 1 else ""
    return card.model_copy(update={"classes": list(orders[0].classes), "assumed": assumed})


def choose(card: Card, chosen: str) -> Card:
    """Return the card with the classes that a user names.

    chosen: a corpus whose order is known ("raf_db"), or all names with commas ("neutral,happiness,sadness"). Raises
    ConfigError if their number differs from the file's or a name repeats.
    """
    order = next((order for order in card.orders if order.name == chosen), None)
    names = order.classes if order else [_name(text) for text in chosen.split(",")]
    if len(names) != num_classes(card):
        problem = f"--classes {chosen}: {counted(len(names), 'name')}, but the file has {num_classes(card)} classes"
        raise ConfigError(f"{problem}; {known_orders(card)}")
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise ConfigError(f"--classes {chosen}: name each class once, in letters, such as neutral,happiness,sadness")
    return card.model_copy(update={"classes": list(names), "assumed": ""})


def known_orders(card: Card) -> str:
    """Return a sentence that lists the orders a user may choose from, for messages."""
    fitting = [order for order in card.orders if len(order.classes) == num_classes(card)]
    choices = [
        f"--classes {order.name} ({', '.join(order.classes)}{'' if order.proven else '; expected, not proven'})"
        for order in fitting
    ]
    return "choose " + " or ".join([*choices, "--classes A,B,... in the order of the logits"])


def _name(text: str) -> str:
    name = text.strip().lower().replace(" ", "_").replace("-", "_")
    return SYNONYMS.get(name, name)
