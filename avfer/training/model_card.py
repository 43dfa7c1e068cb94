"""The model card of trained weights: what they were trained on, and how well they score."""

from collections.abc import Iterator
from typing import Any

from avfer.datasets.example import Corpus
from avfer.models.card import Card, Metric
from avfer.models.weights import locate
from avfer.training.training_config import TrainConfig


def trained_card(
    card: Card, corpus: Corpus, config: TrainConfig, description: str = "", below: bool = False, **changes: Any
) -> Card:
    """Return the card of a model after training on a corpus, before it is scored.

    The weights are licensed under the terms of the corpus, of the weights that training started from, of the teacher,
    and, with `below`, of the networks whose features the model reads.

    description: sentences after the first; changes: further fields of the card.
    """
    terms = " and of ".join([corpus.name, *(["the networks below it"] if below else []), *_start_terms(config)])
    return card.model_copy(
        update={
            "description": f"Trained by avfer on {corpus.name}. {description}".rstrip(),
            "data": f"{corpus.name} ({corpus.distribution}), partition {config.train}; {corpus.protocol}",
            "licence_weights": f"as the terms of {terms} allow",
            "temperature": 1.0,  # that of other weights does not fit these
            "published": [],
            "metrics": [],
            "sha256": None,
            **changes,
        }
    )


def _start_terms(config: TrainConfig) -> Iterator[str]:
    """Yield the weight files that training starts from and learns from, with their licence as far as it is known."""
    if config.weights is not None:
        licence = locate(config.model, str(config.weights))[1].licence_weights or "none stated"
        yield f"the weights that training started from ({config.weights}, licence: {licence})"
    if config.start:
        yield f"the weights that parts started from ({', '.join(map(str, config.start.values()))})"
    if config.teacher is not None:
        yield f"the teacher ({config.teacher})"


def scored_card(card: Card, config: TrainConfig, scores: dict[str, float], how: str) -> Card:
    """Return the card with scores on the dev partition; `how` ends the protocol, such as "joined"."""
    protocol = f"{config.corpus}, partition {config.dev}, {how}"
    metrics = [Metric(name=name, value=round(value, 4), protocol=protocol) for name, value in scores.items()]
    return card.model_copy(update={"metrics": metrics})
