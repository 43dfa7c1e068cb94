"""Score a partition of a corpus: open, predict, align, tally, report."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus, Partition
from avfer.errors import DatasetError
from avfer.evaluation.chapters import chapters, title_of
from avfer.evaluation.collect import Collected, collect
from avfer.evaluation.comparison import challenge, comparison
from avfer.evaluation.evaluation_config import EvalConfig, changed, read_config
from avfer.evaluation.fitting import fitted
from avfer.evaluation.kinds import DIMENSIONS, Dimension
from avfer.evaluation.protocol import facts_of
from avfer.evaluation.published import NoTable, Table
from avfer.evaluation.report import (
    DimensionReport,
    Report,
    action_unit_report,
    dimension_report,
    expression_report,
)
from avfer.evaluation.sections import markdown, page
from avfer.evaluation.series import Series
from avfer.evaluation.sources import Network, Source, Tables
from avfer.evaluation.tally import ActionUnitTally, DimensionTally, ExpressionTally
from avfer.export.files import whole_file


def evaluate(config: EvalConfig | str | Path, *, overwrite: bool = False, quiet: bool = True, **changes: Any) -> Report:
    """Score what a configuration (or the YAML of one) names, and write the report into its `output` folder.

    `changes` replace keys of the configuration: `evaluate("configs/eval/recola.yaml", root="/data/recola")`. With
    `overwrite` recordings that are labelled already are labelled anew. Raises ConfigError for what cannot be
    evaluated, DatasetError for a corpus or predictions that are not as they should be.
    """
    if isinstance(config, EvalConfig):
        checked = changed(config, changes) if changes else config
    else:
        checked = read_config(Path(config), changes)
    report = score(checked, overwrite=overwrite, quiet=quiet)
    write(report, checked.output)
    return report


def score(config: EvalConfig, *, overwrite: bool = False, quiet: bool = True) -> Report:
    """The report of a configuration; of the files in its output folder, tables alone are written."""
    corpus = open_corpus(config.corpus, config.root.expanduser(), **config.options)
    _check_partition(corpus, config.partition)
    source = _source(config, overwrite, quiet)
    found = collect(config, source.predictions(corpus, config.partition))
    _check_found(config, corpus, found)
    return _report(config, corpus, source, found)


def write(report: Report, folder: Path) -> list[Path]:
    """report.json, report.md and report.html in a folder; each appears whole or not at all."""
    sections, title = chapters(report), title_of(report)
    contents = {
        "report.json": json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": markdown(title, sections),
        "report.html": page(title, sections),
    }
    for name, content in contents.items():
        with whole_file(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def _source(config: EvalConfig, overwrite: bool, quiet: bool) -> Source:
    if config.predictions is not None:
        return Tables(config.predictions.expanduser())
    if config.model is not None:
        from avfer.evaluation.pictures import reader
        from avfer.pipeline import choose_device

        return Network(reader(config.model, config.weights, choose_device(config.device)))
    from avfer.evaluation.labelling import Labelled

    return Labelled(config, overwrite, quiet)


def _check_partition(corpus: Corpus, partition: Partition) -> None:
    if partition not in corpus.partitions:
        there = ", ".join(corpus.partitions) or "none"
        raise DatasetError(f"{corpus.name} at {corpus.root} has no partition {partition}; there are: {there}")


def _check_found(config: EvalConfig, corpus: Corpus, found: Collected) -> None:
    """DatasetError where nothing at all can be scored."""
    where = f"the {config.partition} partition of {corpus.name} at {corpus.root}"
    if not found.labelled:
        raise DatasetError(f"{where} has no valid labels ({found.examples} examples); `avfer submit` is for such ones")
    if not found.tallies:
        lacks = ", ".join(kind.replace("_", " ") for kind in found.labelled)
        names = ", ".join(dict.fromkeys(name for names in found.lacking.values() for name in names[:3]))
        raise DatasetError(f"{where} is labelled with {lacks}, and none of it was predicted ({names or 'no picture'})")


def _report(config: EvalConfig, corpus: Corpus, source: Source, found: Collected) -> Report:
    dimensions: dict[Dimension, DimensionReport] = {}
    for kind in DIMENSIONS:
        if isinstance(tally := found.tallies.get(kind), DimensionTally):
            others = partial(_series, config, corpus, source, kind)
            dimensions[kind] = dimension_report(tally, fitted(config, tally.series, others))
    classes, units = found.tallies.get("expression"), found.tallies.get("action_units")
    expression = expression_report(classes, config.draws) if isinstance(classes, ExpressionTally) else None
    action_units = action_unit_report(units, config.draws) if isinstance(units, ActionUnitTally) else None
    rows = comparison(config, corpus, dimensions, expression, action_units)
    return Report(
        corpus=corpus.name,
        partition=config.partition,
        facts=facts_of(config, corpus, found, source.origin),
        quoted=config.quoted,
        dimensions=dimensions,
        expression=expression,
        action_units=action_units,
        challenge=challenge(config, corpus, dimensions, expression, action_units),
        published=tuple(row for row in rows if isinstance(row, Table)),
        notes=_notes(corpus, found, [row for row in rows if isinstance(row, NoTable)]),
        weights=source.origin.weights,
    )


def _series(
    config: EvalConfig, corpus: Corpus, source: Source, kind: Dimension, partition: Partition
) -> Sequence[Series]:
    """The recordings of another partition, to fit on; none, and a note, where it is not labelled or not predicted."""
    there = partition in corpus.partitions
    tally = collect(config, source.predictions(corpus, partition)).tallies.get(kind) if there else None
    if isinstance(tally, DimensionTally):
        return tally.series
    told = f"post-processing of {kind} is not fitted on {partition}: no labels and predictions of it are there"
    corpus.notes.add(told, corpus.root)
    return []


def _notes(corpus: Corpus, found: Collected, apart: list[NoTable]) -> dict[str, tuple[int, str]]:
    """What the reader of the corpus and the evaluation met, counted, each with its first place."""
    notes = {told: (count, corpus.notes.places.get(told, "")) for told, count in corpus.notes.counts.items()}
    if found.others:
        notes["rows of further faces on a frame: left out"] = (found.others, "")
    for kind, names in found.lacking.items():
        notes[f"recordings without any prediction of {kind.replace('_', ' ')}"] = (len(names), names[0])
    for kind, count in found.unseen.items():
        notes[f"pictures without a prediction of {kind.replace('_', ' ')}: not scored"] = (count, "")
    for kind in found.not_predicted:
        notes[f"labelled with {kind.replace('_', ' ')}, which nothing predicts: not scored"] = (
            found.labelled[kind],
            "",
        )
    return notes | {f"published rows under '{n.protocol}' are not shown: {n.reason}": (1, "") for n in apart}
