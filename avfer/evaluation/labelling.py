"""The recordings of a partition through a pipeline: one table each, those that are there already kept."""

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from avfer.datasets.example import Corpus, Notes, Partition
from avfer.errors import ConfigError, MediaError
from avfer.evaluation.align import Aligned
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.sources import Origin, Tables
from avfer.evaluation.tables import facts_of
from avfer.inputs import check_output_names
from avfer.jobs import Job, Outcome, plan_job, run_job

if TYPE_CHECKING:
    from avfer.pipeline import Pipeline

TABLES = "tables"  # the folder in the output folder
SHOWN = 10  # failures that a message lists


class Labelled(Tables):
    """Tables of a pipeline, made where they are not there yet."""

    def __init__(self, config: EvalConfig, overwrite: bool, quiet: bool) -> None:
        from avfer.pipeline import load

        assert config.pipeline is not None
        self._pipeline = load(config.pipeline, config.device, **config.settings)
        self._overwrite, self._quiet = overwrite, quiet
        (config.output / TABLES).mkdir(parents=True, exist_ok=True)
        super().__init__(config.output / TABLES, _origin(self._pipeline))

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[Aligned]:
        media = media_of(corpus, partition)
        jobs = [plan_job(path, self.folder, ("parquet",)) for path in media]
        if not self._overwrite:
            _check_kept(jobs, self._pipeline)
        _check_done(self._run(jobs))
        yield from super().predictions(corpus, partition)

    def _learn(self, path: Path) -> None:
        """What made these tables is known."""

    def _run(self, jobs: list[Job]) -> list[Outcome]:
        """Label every recording; a failed one stops no other."""
        from rich.console import Console

        from avfer.progress import ClipProgress, open_display

        outcomes: list[Outcome] = []
        with open_display(Console(file=sys.stderr), self._quiet) as display:
            progress = ClipProgress(display, len(jobs))
            for job in jobs:
                progress.begin(job.clip)
                outcomes.append(run_job(job, self._pipeline, self._overwrite, progress.advance))
                progress.end(outcomes[-1])
        return outcomes


def media_of(corpus: Corpus, partition: Partition) -> list[Path]:
    """The media behind a partition's examples, each once: the video, or where there is none the sound."""
    with noted_once(corpus.notes):
        found = [example.video or example.audio for example in corpus.examples(partition) if len(example)]
    media = list(dict.fromkeys(path for path in found if path is not None))
    if not media:
        told = "has no recordings that a pipeline could read; name --model, or --predictions"
        raise ConfigError(f"the {partition} partition of {corpus.name} at {corpus.root} {told}")
    check_output_names(media)
    return media


@contextmanager
def noted_once(notes: Notes) -> Generator[None]:
    """Forget what is noted meanwhile: the same examples are read once more later."""
    before = dict(notes.counts), dict(notes.places), set(notes.faults)
    yield
    for kept, now in zip(before, (notes.counts, notes.places, notes.faults), strict=True):
        now.clear()
        now.update(kept)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _origin(pipeline: "Pipeline") -> Origin:
    told = {"pipeline": pipeline.name, "pipeline's sha256": pipeline.spec.sha256, "device": str(pipeline.device)}
    data = {card.name: card.data or "not told on its card" for card in pipeline.cards}
    return Origin(told, dict(pipeline.files), data)


def _check_kept(jobs: list[Job], pipeline: "Pipeline") -> None:
    """Tables of another pipeline, or of other weights, are no tables of this one."""
    for path in (path for job in jobs for path in job.tables.values() if path.exists()):
        facts = facts_of(path)
        same = facts.get("pipeline_sha256") == pipeline.spec.sha256
        if not same or json.loads(facts.get("weights", "{}")) != pipeline.files:
            what = "another pipeline" if not same else "other weights"
            raise ConfigError(f"{path} was made by {what}; give another --output, or --overwrite")


def _check_done(outcomes: list[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        told = "; ".join(f"{outcome.job.clip}: {outcome.error}" for outcome in failed[:SHOWN])
        more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        rest = "the others are labelled and kept"
        raise MediaError(f"{len(failed)} of {len(outcomes)} recordings could not be labelled ({rest}): {told}{more}")
