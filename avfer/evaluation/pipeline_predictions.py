"""Predictions of a pipeline for the recordings of a corpus: one table each, those that exist already are kept."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from avfer.atomic import output_errors
from avfer.clip_warnings import ClipWarnings
from avfer.datasets.example import Corpus, Partition, preserve_notes
from avfer.errors import ConfigError, DatasetError, MediaError
from avfer.evaluation.alignment import AlignedPredictions
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.prediction_sources import LABELS_MISSING, UNKNOWN, PredictionOrigin, TableFolder, table_name
from avfer.jobs import Job, Outcome, check_existing, plan_job, run_job
from avfer.output_names import check_output_names

if TYPE_CHECKING:
    from avfer.pipeline import Pipeline

TABLES = "tables"  # folder inside the output folder
MAX_LISTED = 10  # failures that a message lists


class PipelineSource:
    """Tables that a pipeline makes where they do not exist yet; a `PredictionSource`.

    The pipeline is built once, with `device` and `settings` of the configuration; its tables are in the folder `tables`
    of `output`. Raises ConfigError for a pipeline that cannot be built.

    config: of the evaluation; overwrite: make tables that exist again; quiet: show no progress.
    """

    def __init__(self, config: EvalConfig, overwrite: bool, quiet: bool) -> None:
        from avfer.pipeline import load

        assert config.pipeline is not None
        self._pipeline = load(config.pipeline, config.device, **config.settings)
        self._overwrite, self._quiet = overwrite, quiet
        self._folder = config.output / TABLES
        self.origin = _describe_pipeline(self._pipeline)

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[AlignedPredictions]:
        """Run the pipeline on every recording of a partition, then yield its examples with their tables aligned.

        Raises ConfigError if tables of another pipeline, weights or input exist and `overwrite` is False, OutputError
        if the folder cannot be created, MediaError after all recordings were tried if some could not be processed.
        """
        with output_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        jobs = plan_jobs(corpus, partition, self._folder)
        if not self._overwrite:
            check_existing(jobs, self._pipeline)
        _check_outcomes(self._run(jobs))
        yield from TableFolder(self._folder).predictions(corpus, partition)

    def _run(self, jobs: list[Job]) -> list[Outcome]:
        """Run all jobs; a job that fails does not stop the others."""
        from rich.console import Console

        from avfer.clip_progress import ClipProgress
        from avfer.progress import open_display

        outcomes: list[Outcome] = []
        with open_display(Console(file=sys.stderr), self._quiet) as display:
            progress = ClipProgress(display, len(jobs))
            for job in jobs:
                progress.begin(job.clip)
                outcomes.append(run_job(job, self._pipeline, self._overwrite, progress.advance))
                progress.end(outcomes[-1])
        found = ClipWarnings()
        for outcome in outcomes:
            found.add(outcome.job.given, outcome.warnings)
        found.issue()
        return outcomes


def plan_jobs(corpus: Corpus, partition: Partition, folder: Path) -> list[Job]:
    """Return a job for each media file of a partition's examples: the video with its separate sound, else the sound.

    folder: of the tables, which are named as `table_name` says.

    Raises DatasetError if no example has labels, ConfigError if there are no media files, or if two of them would be
    written to the same table.
    """
    labelled = False
    names: dict[Path, str] = {}
    sounds: dict[Path, Path | None] = {}
    with preserve_notes(corpus.notes):
        for example in corpus.examples(partition):
            labelled |= len(example) > 0
            if len(example) and (path := example.video or example.audio):
                names[path] = table_name(example, path)
                sounds[path] = example.audio if example.audio != path else None
    where = f"the {partition} partition of {corpus.name} at {corpus.root}"
    if not labelled:
        raise DatasetError(f"{where} has no labels; {LABELS_MISSING}")
    if not names:
        raise ConfigError(f"{where} has no recordings that a pipeline could read; use --model or --predictions")
    check_output_names(names)
    return [replace(plan_job(path, folder, ("parquet",), name=names[path]), audio=sounds[path]) for path in names]


def _describe_pipeline(pipeline: "Pipeline") -> PredictionOrigin:
    """Return what a report states about tables of this pipeline."""
    facts = {"pipeline": pipeline.name, "pipeline's sha256": pipeline.spec.sha256, "device": str(pipeline.device)}
    training_data = {card.name: card.data or UNKNOWN for card in pipeline.cards}
    return PredictionOrigin(facts, dict(pipeline.files), training_data)


def _check_outcomes(outcomes: list[Outcome]) -> None:
    """Raise MediaError, with the reasons, if any job failed."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        reasons = "; ".join(f"{outcome.job.clip}: {outcome.error}" for outcome in failed[:MAX_LISTED])
        more = f"; and {len(failed) - MAX_LISTED} more" if len(failed) > MAX_LISTED else ""
        counts = f"{len(failed)} of {len(outcomes)} recordings could not be labelled (the others are labelled and kept)"
        raise MediaError(f"{counts}: {reasons}{more}; repair or remove these files, then run the command again")
