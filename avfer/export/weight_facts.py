"""Which weights made a table: their licences, and whether valence and arousal are mapped or measured.

metadata: that of a table, as `avfer.export.metadata_of` returns it; `weights` is a JSON object of file -> sha256.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from avfer.errors import ConfigError, WeightsError
from avfer.models.card import Card
from avfer.models.card_files import EMBEDDED, builtin_card
from avfer.yaml_reader import parse_mapping

MAPPED = (
    "{values} are mapped, not measured: the embedded network ({names}) learned them from votes on the expressions of"
    " faces, by published tables."
)
MIXED = (
    "During speech, the arousal of the face that speaks weighs an estimate from the voice too; on rows without a face,"
    " valence and arousal come from the voice alone. The estimates from the voice were learned from sounds of known"
    " emotions, not from ratings."
)
VOICE_ONLY = (
    "Valence and arousal are mapped from the voice, not measured: the embedded network ({names}) learned them from"
    " sounds of known emotions, not from ratings."
)
ADVICE = "Use them to rank moments, not as measurements."
NO_CARD = "see its card"
# Licences of weight files that come with other packages.
PACKAGED: dict[str, str] = dict.fromkeys(("pnet.pt", "rnet.pt", "onet.pt", "silero_vad.jit"), "MIT")
NETWORK_KEYS = ("model", "backbone", "network")  # options of a stage that name its network


class WeightFile(NamedTuple):
    """One of the weight files behind a table."""

    name: str  # "aver_lite.safetensors"
    licence: str  # of the weights; that of a file which is not embedded is in its card only
    sha256: str


def weight_files(metadata: Mapping[str, str]) -> list[WeightFile]:
    """Return the weight files of a table in the order of its metadata."""
    weights: dict[str, str] = json.loads(metadata.get("weights") or "{}")
    return [WeightFile(name, _licence(name, sha256), sha256) for name, sha256 in weights.items()]


def embedded_cards_of(metadata: Mapping[str, str]) -> dict[str, Card]:
    """Return the cards of the embedded weight files that made a table, by name of the network."""
    cards = [_embedded_card(Path(file.name).stem, file.sha256) for file in weight_files(metadata)]
    return {card.name: card for card in cards if card is not None}


def is_silent(metadata: Mapping[str, str]) -> bool:
    """Return whether the clip of a table had no sound, neither its own nor in a separate file."""
    return metadata.get("audio") == "null" and "sound" not in json.loads(metadata.get("input") or "{}")


def has_no_pictures(metadata: Mapping[str, str]) -> bool:
    """Return whether the clip of a table had sound alone."""
    return metadata.get("video") == "null"


def mapped_note(metadata: Mapping[str, str], silent: bool = False, pictureless: bool = False) -> str:
    """Return the note that values are mapped and not measured, empty unless embedded weights predicted them.

    It states what comes from the face, and what from the voice if the pipeline reads sound. Weights that an earlier
    version of avfer embedded count too.

    silent, pictureless: whether no clip of the table or tables had sound, or pictures.
    """
    embedded = _embedded_names(metadata)
    cards: dict[str, Card] = {}
    for file in weight_files(metadata):
        name = Path(file.name).stem
        if card := _embedded_card(name, "" if name in embedded else file.sha256):
            cards[name] = card
    models = {name: card for name, card in cards.items() if card.valence_arousal or card.action_units}
    if not models:
        return ""
    used = {card.name for card in cards.values()}
    reads = {kind for card in models.values() for kind, backbone in card.trained_on.items() if backbone in used}
    if reads == {"voice"} or (pictureless and "voice" in reads):
        return f"{VOICE_ONLY.format(names=', '.join(models))} {ADVICE}"
    measured = metadata.get("au_scale") == "activation"
    values = "Valence and arousal" if measured else "Valence, arousal and action units"
    mixed = [MIXED] if "voice" in reads and not silent else []
    return " ".join([MAPPED.format(values=values, names=", ".join(models)), *mixed, ADVICE])


def _licence(name: str, sha256: str) -> str:
    card = _embedded_card(Path(name).stem, sha256)
    return card.licence_weights if card else PACKAGED.get(name, NO_CARD)


def _embedded_names(metadata: Mapping[str, str]) -> frozenset[str]:
    """Return the names, without ending, of the weights that the pipeline of a table took from the package."""
    try:
        stages = parse_mapping(metadata.get("pipeline", ""), "pipeline", "stages:").content.get("stages")
    except ConfigError:
        return frozenset()
    lines = [options for options in stages.values() if isinstance(options, dict)] if isinstance(stages, dict) else []
    return frozenset(
        EMBEDDED[options["weights"]].format(name=options[key])
        for options in lines
        for key in NETWORK_KEYS
        if key in options and options.get("weights") in EMBEDDED
    )


def _embedded_card(name: str, sha256: str) -> Card | None:
    """Return the card of an embedded file; None for a file of the user, also one of the same name.

    name: of the file, without ending; sha256: its hash, empty to accept any.
    """
    try:
        card = builtin_card(name)
    except WeightsError:
        return None
    return card if sha256 in {"", card.sha256} else None
