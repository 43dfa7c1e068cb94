"""The report of a training run as an HTML page: scores of the best epoch, learning curves, settings, what to do next.

Scores are those of the partition that selects the epoch, so the page ends with the command that scores the test
partition, which training never reads.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from avfer import __version__
from avfer.atomic import atomic_write
from avfer.errors import counted
from avfer.evaluation.report_rendering import Section, render_html
from avfer.evaluation.report_warnings import FEW_GROUPS
from avfer.export.colours import line_colour
from avfer.export.distribution_charts import epoch_chart
from avfer.export.html_page import html_legend, wide
from avfer.models.card import Card
from avfer.training.scored_partition import ScoredPartition
from avfer.training.training_config import TrainConfig

REPORT = "report.html"
NOT_SCORES = ("epoch", "loss", "rate")
Epoch = dict[str, float]  # "epoch" from 1, "loss", "rate", and the scores, of which "score" selects the best


def write_training_report(
    config: TrainConfig, history: Sequence[Epoch], card: Card, partition: ScoredPartition, command: str
) -> Path:
    """Write report.html into the output folder of a training run and return its path.

    history: one row for each epoch, at least one; card: of the best weights; partition: that scored them; command:
    that scores them on another one. Raises OutputError if the file cannot be written.
    """
    best = best_epoch(history)
    figures = [("Best epoch", f"{best['epoch']:.0f} of {len(history)}")]
    figures += [(name, f"{value:.4f}") for name, value in best.items() if name not in NOT_SCORES]
    sections = [
        _scores(config, best, partition, command),
        *_curves(history),
        *_settings(config, card),
        _epochs(history),
    ]
    page = render_html(f"{config.model} on {config.corpus}", sections, f"Trained by avfer {__version__}", figures)
    path = config.output / REPORT
    with atomic_write(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the row of the first epoch with the highest score."""
    return max(history, key=lambda row: row["score"])


def training_warnings(config: TrainConfig, partition: ScoredPartition) -> Iterator[str]:
    """Yield what limits the meaning of the scores, in sentences."""
    if config.dev == "test":
        yield "The test partition selected the epoch (dev: test), so the score is optimistic for unseen data."
    if partition.examples < FEW_GROUPS and partition.noun == "recordings":
        yield (
            f"Only {counted(partition.examples, 'recording')} selected the epoch."
            f" With fewer than {FEW_GROUPS}, the score depends much on which they are."
        )
    if partition.absent:
        absent = ", ".join(partition.absent)
        yield f"The labels of '{config.dev}' have no {absent}: F1 is 0 for each, and lowers the mean."


def _scores(config: TrainConfig, best: Epoch, partition: ScoredPartition, command: str) -> Section:
    text = (
        f"Scores of epoch {best['epoch']:.0f} on the partition '{config.dev}' ({partition.examples} {partition.noun}),"
        ' which selected it; "score" decides.'
    )
    if partition.whole_clips:
        text += (
            f" A label of a whole clip ({partition.whole_clips} of {partition.examples}) is scored by the mean of the"
            " predictions in it."
        )
    if f"--partition {config.dev} " in command:
        text += " The corpus has no further partition: this scores the same one again, with intervals and protocol."
    else:
        text += " Score the model on data that had no part in this:"
    rows = tuple((name, f"{value:.4f}") for name, value in best.items() if name not in NOT_SCORES)
    return Section(
        "Scores", text, ("", "value"), rows, warnings=tuple(training_warnings(config, partition)), command=command
    )


def _curves(history: Sequence[Epoch]) -> Iterator[Section]:
    """Yield the loss and the scores by epoch."""
    names = [name for name in history[0] if name not in NOT_SCORES]
    for title, drawn in (("Loss of training", ["loss"]), ("Scores by epoch", names)):
        series = {name: [row[name] for row in history] for name in drawn}
        chart = wide(epoch_chart(series, title))
        yield Section(title, chart=chart + html_legend((name, line_colour(i)) for i, name in enumerate(drawn)))


def _settings(config: TrainConfig, card: Card) -> Iterator[Section]:
    """Yield what the weights are, their terms, and every key of the configuration."""
    facts = {
        "weights": str(config.output / "best.safetensors"),
        "data": card.data,
        "licence of the weights": card.licence_weights,
        "sha256": card.sha256 or "",
    }
    yield Section("Weights", heads=("", "value"), rows=tuple((name, value) for name, value in facts.items() if value))
    values = config.model_dump(mode="json")
    rows = tuple((key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items())
    yield Section("Settings", heads=("key", "value"), rows=rows)


def _epochs(history: Sequence[Epoch]) -> Section:
    heads = tuple(history[0])
    rows = tuple((f"{row['epoch']:.0f}", *(f"{row[name]:.5g}" for name in heads if name != "epoch")) for row in history)
    return Section("Epochs", heads=heads, rows=rows)
