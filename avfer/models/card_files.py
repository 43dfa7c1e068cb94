"""Cards in JSON files, read without torch: of the weights that come in the wheel, and of any other weight file."""

from functools import cache
from pathlib import Path

from pydantic import ValidationError

from avfer.errors import WeightsError
from avfer.models.card import Card

BUILTIN = Path(__file__).parents[1] / "builtin"  # folder of the weights in the wheel and of their cards
EMBEDDED = {"builtin": "{name}", "research": "{name}.research"}  # `weights:` -> name of the file in BUILTIN


@cache
def builtin_card(name: str) -> Card:
    """Return the card of a network whose weights come in the wheel. Raises WeightsError if there is none."""
    return read_card(BUILTIN / f"{name}.json")


def read_card(path: Path) -> Card:
    """Return the card in a JSON file. Raises WeightsError if it is missing or damaged."""
    try:
        return Card.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise WeightsError(f"{path}: no readable card: {error}") from error
