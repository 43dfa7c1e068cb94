"""Label a corpus: plan the clips, map the pipeline over those that are left, and write the totals.

A run can be interrupted or killed at any moment; the same command then continues. It labels the clips that have no
marker of the same pipeline, weights, version and content, and leaves the others untouched. Labels of another pipeline
are replaced only with `overwrite`.
"""

from array import array
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from avfer.clip_warnings import ClipWarnings
from avfer.errors import AvferError, ConfigError, debugging
from avfer.executors.pool import Limits, LostItem
from avfer.inputs import InputFile, find_checked_clips
from avfer.jobs import remote_clip_message
from avfer.labelling.blurred_overlay import check_blur, has_overlay, overlay_path
from avfer.labelling.checked_pipeline import CheckedPipeline, check_pipeline, check_same_pipeline
from avfer.labelling.entry import Entry, Shard
from avfer.labelling.label_clip import Failure, LabelItem, LabelTask
from avfer.labelling.label_options import LabelOptions, choose_executor, count_workers
from avfer.labelling.plan import Plan, write_plan
from avfer.labelling.status import CorpusStatus, write_totals
from avfer.labelling.store import ClipState, Marker, Store, locked, read_marker
from avfer.manifest import find_manifest
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.progress import CorpusProgress, open_display
from avfer.remote import is_url
from avfer.sound_files import belongs_to_clip, with_sound

TRIES = 2  # a clip fails after so many workers have crashed or been killed while they labelled it


@dataclass
class LabelReport:
    """What a run of `avfer label` has done so far. The caller creates it, and can read it after an error as well."""

    store: Store  # the folder of the labels
    plan: Plan | None = None  # None until the corpus was listed
    written: "array[int]" = field(default_factory=lambda: array("L"))  # rows of the plan whose tables are written
    failed: int = 0  # clips of this run's plan without a table or an overlay, whether they failed now or earlier
    corpus: CorpusStatus | None = None  # totals of all shards
    warnings: ClipWarnings = field(default_factory=ClipWarnings)  # of the pipeline on the clips of this run

    @property
    def files(self) -> Iterator[Path]:
        """The tables that were written, in the order of the plan, each followed by its overlay if there is one."""
        for row in sorted(self.written):
            assert self.plan is not None
            name = self.plan[row].id
            yield self.store.table(name)
            if overlay := overlay_path(self.store, read_marker(self.store.done(name)) or {}):
                yield overlay


def label(
    pipeline: str | Path,
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    shard: str | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    max_seconds: float | None = None,
    max_memory: float | None = None,
    sound: str | None = None,
    stills: bool = False,
    blur: str | None = None,
    device: str = "auto",
    max_threads: int | None = None,
    progress: bool = False,
    **options: Any,
) -> CorpusStatus:
    """Label a corpus and return its totals. Clips that are already done are kept.

    pipeline: a YAML file or the name of a bundled pipeline. `options` override the YAML, as in `avfer.load`.
    inputs: files, folders, globs, a .txt list, or a manifest (.csv, .tsv, .parquet), here or as URLs.
    output: the folder for tables and markers. shard: "2/3" labels the second third of the clips only.
    workers: at most so many processes or, with ray (an address or "local"), actors; None: one for each core or GPU.
    device: "auto", "cpu", "cuda", "cuda:N" or "mps"; with ray also a list such as "cuda,cpu".
    retry_failed: try clips again that failed in an earlier run.
    max_threads: CPU threads of each worker at the same time; None: the cores, shared among the workers.
    max_seconds: for one clip. max_memory: GB for one worker. Clips beyond a limit fail.
    sound: where the sound of clips lies if that is a separate file, "auto" or a pattern (see avfer.sound_files).
    overwrite: label all clips again; without it, a folder with labels of another pipeline raises ConfigError.
    blur: "all" or "others": also write the video of each clip with these faces blurred; None: no video.
    stills: whether each picture in a folder of pictures is a clip of its own; else the folder is one clip.
    progress: show a bar on a terminal or in a notebook, elsewhere a line for each clip, on standard error.

    A clip that cannot be labelled is counted in the result, and described in `failures.jsonl`. Each distinct warning of
    the pipeline, or about a missing video, becomes one AvferWarning with the number of clips. Raises ConfigError,
    WeightsError or MissingExtra before any work, and OutputError if the output folder cannot be written.
    """
    texts = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    label_options = LabelOptions(
        device=device,
        workers=workers,
        ray=ray,
        shard=Shard.parse(shard),
        limits=Limits(max_seconds, None if max_memory is None else max_memory * 1e9),
        sound=sound,
        retry_failed=retry_failed,
        overwrite=overwrite,
        stills=stills,
        blur=blur,
        threads=max_threads,
    )
    report = LabelReport(Store(Path(output), label_options.shard))
    spec = read_pipeline(pipeline, options)
    with open_display(Console(stderr=True), quiet=not progress, keep_bars=True) as display:
        label_corpus(spec, [str(text) for text in texts], label_options, report, CorpusProgress(display))
    report.warnings.issue()
    assert report.corpus is not None
    return report.corpus


def label_corpus(
    spec: PipelineSpec, inputs: Sequence[str], options: LabelOptions, report: LabelReport, progress: CorpusProgress
) -> None:
    """Label a corpus. `report` is filled on the way and is valid even if this raises; errors are those of `label`."""
    options.check()
    check_blur(options.blur, spec)
    store = report.store
    if store.folder.exists() and not store.folder.is_dir():
        raise ConfigError(f"--output {store.folder} is a file; labels need a folder")
    manifest = find_manifest(inputs)
    found = find_checked_clips(inputs, manifest, options.stills)
    clips = (file for file in found if not belongs_to_clip(options.sound, file.path))
    clips = _check_local(clips) if spec.numbers_only else clips
    files = _check_not_empty(with_sound(file, options.sound) for file in clips)
    checked = check_pipeline(spec, "cpu" if options.ray else options.device)  # wrong options leave no output folder
    with locked(store.locks, store.shard, checked.fingerprint):
        if store.has_done and not options.overwrite:
            check_same_pipeline(checked, read_marker(store.run_marker) or {}, store.folder)
        store.clean_up()
        report.plan = write_plan(files, manifest, store)
        store.write_json(store.run_marker, checked.as_json())
        with _totals_written(report):
            _Run(checked, options, report, progress).label_remaining()


@contextmanager
def _totals_written(report: LabelReport) -> Generator[None]:
    """Write the plan, the failures and the totals to their files before the block and after it, however it ends.

    The totals before the work let `avfer label --status` follow it from the first clip on.
    """
    try:
        write_totals(report.store)
        yield
    except BaseException:
        with suppress(AvferError):  # the first error is the one to report
            report.corpus = write_totals(report.store)
        raise
    else:
        report.corpus = write_totals(report.store)
    finally:
        report.store.clean_up()


def _check_local(files: Iterator[InputFile]) -> Iterator[InputFile]:
    """Return the same files. Raises ConfigError if one lies in a remote store."""
    for file in files:
        if is_url(file.path):
            raise ConfigError(remote_clip_message(file.path))
        yield file


def _check_not_empty(files: Iterator[InputFile]) -> Iterator[InputFile]:
    """Return the same files. Raises ConfigError if there is none, so that no output folder is created in that case."""
    first = next(files, None)
    if first is None:
        raise ConfigError("--input names no clip; give media files, folders, globs, a .txt list or a manifest")
    return chain([first], files)


class _Run:
    """Labels the clips of a plan that are left."""

    def __init__(
        self, pipeline: CheckedPipeline, options: LabelOptions, report: LabelReport, progress: CorpusProgress
    ) -> None:
        assert report.plan is not None
        self._pipeline, self._options, self._report, self._progress = pipeline, options, report, progress
        self._plan, self._store = report.plan, report.store
        self._losses = Counter[int]()  # row -> workers that ended while they labelled it
        self._retries: deque[int] = deque()  # rows
        self._states: dict[int, ClipState] = {}

    def label_remaining(self) -> None:
        """Label the clips that are left, on as many workers as the options allow.

        Raises OutputError if the output folder cannot be written; the clips in work are then left for the next run.
        """
        kept, failed, remaining = self._split()
        self._report.failed = failed
        self._progress.begin(len(self._plan), kept, failed, sum(map(self._plan.size, remaining)))
        if not remaining:
            return
        pipeline, options = self._pipeline, self._options
        _, threads = count_workers(options, pipeline, len(remaining))
        task = LabelTask(
            pipeline.spec, pipeline.device, pipeline.fingerprint, self._store, options.sound, threads, options.blur
        )
        executor = choose_executor(options, pipeline, len(remaining))
        for item, result in executor.map(task, self._items(remaining)):
            self._record(item, result)

    def _split(self) -> tuple[int, int, list[int]]:
        """Return how many clips are done and failed, and the rows of the others.

        Large clips come first, so that all workers finish at about the same time.
        """
        count, remaining = Counter[ClipState](), list[int]()
        for row, entry in enumerate(self._plan):
            state, marker = self._store.state(entry, self._pipeline.fingerprint)
            if state is ClipState.DONE and not has_overlay(self._store, marker, self._options.blur):
                state = ClipState.OVERLAY
            retry = state is ClipState.FAILED and self._options.retry_failed
            if self._options.overwrite or retry or state not in (ClipState.DONE, ClipState.FAILED):
                remaining.append(row)
                self._states[row] = ClipState.LEFT if self._options.overwrite else state
            else:
                count[state] += 1
        remaining.sort(key=self._plan.size, reverse=True)
        return count[ClipState.DONE], count[ClipState.FAILED], remaining

    def _items(self, remaining: list[int]) -> Callable[[], Any]:
        """Return a function that returns the next clip, or None; clips whose worker ended come again at the end."""
        rows = iter(remaining)

        def next_item() -> LabelItem | None:
            row = next(rows, None)
            if row is None and self._retries:
                row = self._retries.popleft()
            return None if row is None else LabelItem(row, self._plan[row], self._states[row])

        return next_item

    def _record(self, item: LabelItem, result: Marker | Failure | LostItem) -> None:
        """Count the result of a clip, report it, and write the marker of a failure."""
        entry = item.entry
        if isinstance(result, dict):
            self._report.warnings.add(entry.id, result["warnings"])
            self._report.written.append(item.row)
            self._progress.done(entry.id, entry.size, result["rows"], result["seconds"], result["host"])
        elif isinstance(result, Failure):
            self._report.warnings.add(entry.id, result.warnings)
            self._record_failure(entry, result)
        else:
            self._record_loss(item, result)

    def _record_loss(self, item: LabelItem, lost: LostItem) -> None:
        """Schedule a clip again whose worker ended, or let it fail after TRIES times.

        Only this run counts: a run that is killed together with its workers counts against none of the clips in work.
        """
        self._losses[item.row] += 1
        if self._losses[item.row] < TRIES:
            self._retries.append(item.row)
            self._progress.lost(item.entry.id, lost.reason)
        else:
            hint = " (AVFER_DEBUG=1 shows its last lines)" if lost.trace and not debugging() else ""
            reason = f"its worker {lost.reason}, {TRIES} times of {TRIES}{hint}"
            self._record_failure(item.entry, Failure(reason, "worker", lost.trace))

    def _record_failure(self, entry: Entry, failure: Failure) -> None:
        """Write the marker of a failed clip and report it. A clip that now lacks only its overlay stays done.

        Keys: id and path of the clip; reason; stage; pipeline, its fingerprint; clip, the hash of the content; trace,
        the traceback, only if AVFER_DEBUG is set. failures.jsonl has the same objects, one a line.
        """
        trace = {"trace": failure.trace} if debugging() else {}
        marker = {
            "id": entry.id,
            "path": entry.path,
            "reason": failure.reason,
            "stage": failure.stage,
            "pipeline": self._pipeline.fingerprint,
            "clip": entry.hash,
        }
        state, _ = self._store.state(entry, self._pipeline.fingerprint)
        kept = state is ClipState.DONE and not self._options.overwrite  # which may leave the table of an earlier run
        if self._options.blur and kept:
            self._report.warnings.add(entry.id, [f"no overlay: {failure.reason}"])
        else:
            self._store.mark_failed(entry, marker | trace)
        self._report.failed += 1
        self._progress.failed(entry.id, entry.size, failure.reason)
