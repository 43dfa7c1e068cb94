"""Cards in JSON files, read without torch: of the weights that come in the wheel, and of any other weight file."""

import json
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from avfer.errors import WeightsError
from avfer.models.card import Card
from avfer.option_types import first_problem

BUILTIN = Path(__file__).parents[1] / "builtin"  # folder of the weights in the wheel and of their cards
EMBEDDED = {"builtin": "{name}", "research": "{name}.research"}  # `weights:` -> name of the file in BUILTIN


@cache
def builtin_card(name: str) -> Card:
    """Return the card of a network whose weights come in the wheel. Raises WeightsError if there is none."""
    return read_card(BUILTIN / f"{name}.json")


def has_embedded_card(stem: str) -> bool:
    """Return whether the package has weights of this name, such as "gru_lite.research"."""
    return (BUILTIN / f"{stem}.json").exists()


def embedded_cards(name: str) -> list[Card]:
    """Return the cards of all weights of a network that come in the wheel."""
    stems = (form.format(name=name) for form in EMBEDDED.values())
    return [builtin_card(stem) for stem in stems if has_embedded_card(stem)]


def read_card(path: Path) -> Card:
    """Return the card in a JSON file. Raises WeightsError, which names the wrong field, if it is missing or damaged."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: no readable card: {error}") from error
    return parse_card(content, str(path))


def parse_card(content: object, source: str) -> Card:
    """Return the card in parsed JSON. Raises WeightsError, which names its source and the wrong field."""
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        raise WeightsError(f"{source}: no readable card: {first_problem(error, content, Card).text}") from error
