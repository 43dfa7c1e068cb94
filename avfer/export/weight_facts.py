"""Which weights made a table: their licences, and whether valence and arousal are mapped or measured.

metadata: that of a table, as `avfer.export.metadata_of` returns it; `weights` is a JSON object of file -> sha256.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from avfer.errors import WeightsError
from avfer.models.card import Card
from avfer.models.card_files import builtin_card

MAPPED = (
    "{values} are mapped, not measured: the embedded networks learned them from expressions by published tables. Use"
    " them to rank moments, not as measurements."
)
NO_CARD = "see its card"


class WeightFile(NamedTuple):
    """One of the weight files behind a table."""

    name: str  # "aver_lite.safetensors"
    licence: str  # of the weights; that of a file which is not embedded is in its card only
    sha256: str


def weight_files(metadata: Mapping[str, str]) -> list[WeightFile]:
    """Return the weight files of a table in the order of its metadata."""
    weights: dict[str, str] = json.loads(metadata.get("weights") or "{}")
    return [WeightFile(name, _licence(name, sha256), sha256) for name, sha256 in weights.items()]


def mapped_note(metadata: Mapping[str, str]) -> str:
    """Return the note that values are mapped and not measured, empty unless embedded weights predicted them."""
    names = [
        Path(file.name).stem
        for file in weight_files(metadata)
        if (card := _embedded_card(file.name, file.sha256)) and (card.valence_arousal or card.action_units)
    ]
    measured = metadata.get("au_scale") == "activation"
    note = MAPPED.format(values="Valence and arousal" if measured else "Valence, arousal and action units")
    return f"{note} ({', '.join(names)})" if names else ""


def _licence(name: str, sha256: str) -> str:
    card = _embedded_card(name, sha256)
    return card.licence_weights if card else NO_CARD


def _embedded_card(name: str, sha256: str) -> Card | None:
    """Return the card of an embedded file; None for a file of the user, also one of the same name."""
    try:
        card = builtin_card(Path(name).stem)
    except WeightsError:
        return None
    return card if card.sha256 == sha256 else None
