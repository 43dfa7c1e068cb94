"""Evaluate a partition of a corpus: open it, get the predictions, align and score them, write the report."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from avfer import __version__
from avfer.atomic import atomic_write
from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import DIMENSIONS, Corpus, Dimension, Partition, preserve_notes
from avfer.errors import ConfigError, DatasetError, OutputError, counted
from avfer.evaluation.alignment import KINDS
from avfer.evaluation.chain_fitting import score_variants
from avfer.evaluation.collect import Collected, collect
from avfer.evaluation.evaluation_config import EvalConfig, change_config, read_config
from avfer.evaluation.evaluation_report import (
    DimensionReport,
    EvaluationReport,
    joined_scores,
    report_action_units,
    report_dimension,
    report_expression,
)
from avfer.evaluation.post_processing import RecordingSeries
from avfer.evaluation.prediction_sources import LABELS_MISSING, PredictionSource, TableFolder
from avfer.evaluation.protocol_facts import protocol_facts
from avfer.evaluation.published_results import OtherProtocol, PublishedTable, challenge_score, compare
from avfer.evaluation.report_rendering import render_html, render_markdown
from avfer.evaluation.report_sections import headline_rows, report_sections, report_title
from avfer.evaluation.report_warnings import CHECK_RATE, NOT_SCORED
from avfer.evaluation.tally import ActionUnitTally, DimensionTally, ExpressionTally
from avfer.local_paths import is_folder, local_path, nearest_existing

REPORT_NAME = "report.json"


def evaluate(
    config: EvalConfig | str | Path, *, overwrite: bool = False, quiet: bool = True, **changes: Any
) -> EvaluationReport:
    """Score a partition of a corpus and write report.json, report.md and report.html into the `output` folder.

    config: a configuration, a YAML file, or the name of a bundled protocol such as "aff_wild2".
    overwrite: run the pipeline again on recordings that have tables already.
    quiet: show no progress on standard error.
    changes: values for keys of the configuration: `evaluate("recola", root="/data/recola")`.

    Returns the report; its `headline` has the numbers to quote, `dimensions["valence"].scores` all scores of a kind.

    Raises ConfigError for a configuration that cannot work, DatasetError for a faulty corpus or faulty predictions,
    MediaError for recordings that cannot be read, OutputError if the report cannot be written.
    """
    if isinstance(config, EvalConfig):
        checked = change_config(config, changes) if changes else config
    else:
        checked = read_config(config, changes)
    report = score(checked, overwrite=overwrite, quiet=quiet)
    write_report(report, checked.output)
    return report


def score(config: EvalConfig, *, overwrite: bool = False, quiet: bool = True) -> EvaluationReport:
    """Return the report without writing it; a pipeline still writes its tables. Arguments and errors as `evaluate`."""
    corpus = open_corpus(config.corpus, local_path(config.root), **config.options)
    _check_partition(corpus, config.partition)
    _check_folder(config, corpus)
    source = _open_source(config, overwrite, quiet)
    found = collect(config, source.predictions(corpus, config.partition))
    _check_found(config, corpus, source, found)
    return _make_report(config, corpus, source, found)


def write_report(report: EvaluationReport, folder: Path) -> list[Path]:
    """Write report.json, report.md and report.html, each whole or not at all, and return their paths."""
    sections, title = report_sections(report), report_title(report)
    figures = [(name, value) for name, value, _ in headline_rows(report)]
    contents = {
        REPORT_NAME: json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": render_markdown(title, sections),
        "report.html": render_html(title, sections, f"Evaluation by avfer {__version__}", figures),
    }
    for name, content in contents.items():
        with atomic_write(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def _open_source(config: EvalConfig, overwrite: bool, quiet: bool) -> PredictionSource:
    """Return the source of predictions that the configuration names; only that one is imported."""
    if config.predictions is not None:
        return TableFolder(local_path(config.predictions))
    if config.model is not None:
        from avfer.devices import choose_device
        from avfer.evaluation.picture_predictions import PictureSource, load_picture_network

        return PictureSource(load_picture_network(config.model, config.weights, choose_device(config.device)))
    from avfer.evaluation.pipeline_predictions import PipelineSource

    return PipelineSource(config, overwrite, quiet)


def _check_partition(corpus: Corpus, partition: Partition) -> None:
    """Raise DatasetError, with the available partitions, if the corpus on disk does not have this one."""
    if partition not in corpus.partitions:
        available = ", ".join(corpus.partitions) or "none"
        raise DatasetError(f"{corpus.name} at {corpus.root} has no partition {partition}; available: {available}")


def _check_folder(config: EvalConfig, corpus: Corpus) -> None:
    """Raise an error for a folder that cannot hold the report, before any work.

    OutputError if it cannot be written, ConfigError if it is a file, or the default one with another corpus's report.
    """
    nearest = nearest_existing(config.output)
    if not is_folder(nearest):
        raise ConfigError(f"output: {nearest} is a file; choose a folder for the report")
    if not os.access(nearest, os.W_OK):
        raise OutputError(f"{config.output} cannot be written: {nearest} is read-only; choose another folder")
    if "output" in config.model_fields_set:
        return
    path = config.output / REPORT_NAME
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["corpus"]
    except (OSError, ValueError, KeyError, TypeError):  # there is no report, or it is damaged
        return
    if before != corpus.name:
        raise ConfigError(
            f"{path} is the report of {before}; give the report of {corpus.name} a folder of its own:"
            f" --output {config.output / corpus.name}"
        )


def _check_found(config: EvalConfig, corpus: Corpus, source: PredictionSource, found: Collected) -> None:
    """Raise DatasetError if there is nothing to score."""
    where = f"the {config.partition} partition of {corpus.name} at {corpus.root}"
    if not found.labelled and found.incomplete_units:
        raise DatasetError(f"{where} has {found.incomplete_units}, and no other labels")
    if not found.labelled:
        kinds = ", ".join(kind.replace("_", " ") for kind in KINDS)
        examples = f" in its {counted(found.examples, 'example')}" if found.examples else ""
        raise DatasetError(f"{where} has no valid labels of {kinds}{examples}; {LABELS_MISSING}")
    if not found.tallies:
        kinds = ", ".join(kind.replace("_", " ") for kind in found.labelled)
        reads_tables = isinstance(source, TableFolder)
        if reads_tables and found.missing_pictures:
            raise DatasetError(f"{where} consists of single pictures, which tables are not matched with; use --model")
        hint = "check the folder behind --predictions" if reads_tables else "choose another pipeline or model"
        names = ", ".join(dict.fromkeys(name for names in found.unpredicted.values() for name in names[:3]))
        if reads_tables and not source.origin.facts:
            expected = "a table is named after its recording or the file of it, with .parquet, .csv or .jsonl"
            raise DatasetError(f"{source.folder} has no table of {where} ({names}); {expected}")
        raise DatasetError(
            f"{where} is labelled with {kinds}, but no prediction has values of these at its steps"
            f" ({names or 'pictures'}); {hint}"
        )


def _make_report(config: EvalConfig, corpus: Corpus, source: PredictionSource, found: Collected) -> EvaluationReport:
    """Compute all scores of the tallies, fit post-processing if requested, and add protocol and published rows."""
    dimensions: dict[Dimension, DimensionReport] = {}
    for kind in DIMENSIONS:
        if isinstance(tally := found.tallies.get(kind), DimensionTally):
            read_partition = partial(_read_series, config, corpus, source, kind)
            dimensions[kind] = report_dimension(tally, score_variants(config, tally.series, read_partition))
    classes, units = found.tallies.get("expression"), found.tallies.get("action_units")
    expression = report_expression(classes, config.draws) if isinstance(classes, ExpressionTally) else None
    action_units = report_action_units(units, config.draws) if isinstance(units, ActionUnitTally) else None
    scores = joined_scores(dimensions, expression, action_units)
    published = compare(config, corpus, scores)
    return EvaluationReport(
        corpus=corpus.name,
        partition=config.partition,
        facts=protocol_facts(config, corpus, found, source.origin),
        quoted=config.quoted,
        dimensions=dimensions,
        expression=expression,
        action_units=action_units,
        challenge=challenge_score(config, corpus, scores),
        published=tuple(table for table in published if isinstance(table, PublishedTable)),
        notes=_collect_notes(corpus, found, [other for other in published if isinstance(other, OtherProtocol)]),
        weights=source.origin.weights,
    )


def _read_series(
    config: EvalConfig, corpus: Corpus, source: PredictionSource, kind: Dimension, partition: Partition
) -> Sequence[RecordingSeries]:
    """Return the recordings of another partition to fit on; add a note if it has no labels or predictions.

    Raises DatasetError, which names the partition, if it cannot be collected.
    """
    if partition in corpus.partitions:
        try:
            with preserve_notes(corpus.notes):  # a report has those of the scored partition
                tally = collect(config, source.predictions(corpus, partition)).tallies.get(kind)
        except DatasetError as error:
            raise DatasetError(f"post_processing is fitted on {partition}, too: {error}") from error
        if isinstance(tally, DimensionTally):
            return tally.series
    note = f"post-processing of {kind} is not fitted on {partition}: it has no labels with predictions"
    corpus.notes.add(note, corpus.root)
    return []


def _collect_notes(corpus: Corpus, found: Collected, others: Sequence[OtherProtocol]) -> Mapping[str, tuple[int, str]]:
    """Return the notes of the corpus reader and of the evaluation: note -> (count, place of the first)."""
    notes = {note: (count, corpus.notes.places[note][0]) for note, count in corpus.notes.counts.items()}
    if found.other_faces:
        notes["rows of further faces on a frame: left out"] = (found.other_faces, "")
    for how, names in (("ends before the last label", found.shorter), ("has more frames than labels", found.longer)):
        if names:
            notes[f"recordings whose table {how}{CHECK_RATE}"] = (len(names), names[0])
    for kind, names in found.unpredicted.items():
        notes[f"recordings without any prediction of {kind.replace('_', ' ')}"] = (len(names), names[0])
    for kind, count in found.missing_pictures.items():
        notes[f"pictures without a prediction of {kind.replace('_', ' ')}{NOT_SCORED}"] = (count, "")
    for kind, tally in found.tallies.items():
        if isinstance(tally, DimensionTally) and tally.without_step:
            note = f"recordings without known seconds between two steps: not in the post-processing of {kind}"
            notes[note] = (len(tally.without_step), tally.without_step[0])
    for kind in found.not_predicted:
        note = f"labelled with {kind.replace('_', ' ')}, but without any prediction{NOT_SCORED}"
        notes[note] = (found.labelled[kind], "")
    if found.incomplete_units:
        notes[f"{found.incomplete_units}{NOT_SCORED}"] = (found.examples, "")
    return notes | {f"published rows under '{o.protocol}' are not shown: {o.reason}": (1, "") for o in others}
