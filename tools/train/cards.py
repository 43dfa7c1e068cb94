"""Change cards that lie beside weights; all that is not named stays."""

import json
from collections.abc import Sequence
from pathlib import Path

from avfer.models.card import Metric
from avfer.models.card_files import read_card


def update_card(path: Path, **fields: object) -> None:
    """Write new values of some fields to a card.   path: its JSON file"""
    card = read_card(path).model_copy(update=fields)
    path.write_text(json.dumps(card.model_dump(exclude_defaults=True), indent=2, ensure_ascii=False) + "\n")


def add_metrics(path: Path, metrics: Sequence[Metric]) -> None:
    """Write metrics to a card, in place of those of the same names.   path: its JSON file"""
    names = {metric.name for metric in metrics}
    update_card(path, metrics=[*(one for one in read_card(path).metrics if one.name not in names), *metrics])
