"""`avfer label`: a plan, what is left of it, and an executor to do that; then the books are closed."""

from array import array
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avfer.errors import AvferError, ConfigError
from avfer.executors.protocol import Limits, Lost
from avfer.labelling.entry import Entry
from avfer.labelling.lock import locked
from avfer.labelling.one_clip import Failure, Labelling, Order
from avfer.labelling.places import Wishes, check_wishes, choose_executor
from avfer.labelling.plan import Plan, write_plan
from avfer.labelling.recipe import Recipe, examine
from avfer.labelling.screen import Screen, Silence
from avfer.labelling.shard import Shard
from avfer.labelling.sources import Source, find_manifest, find_sources
from avfer.labelling.status import Corpus, settle
from avfer.labelling.store import Marker, State, Store
from avfer.pipeline_config import PipelineSpec, read_pipeline

TRIES = 2  # a clip whose worker dies so often is set aside


@dataclass
class Report:
    """What a run has done."""

    store: Store
    plan: Plan | None = None
    written: "array[int]" = field(default_factory=lambda: array("L"))  # rows of the plan
    failed: int = 0  # clips of this run's plan that have no table, whenever they failed
    corpus: Corpus | None = None  # of all shards

    @property
    def tables(self) -> Iterator[Path]:
        """What was written, in the order of the plan."""
        for row in sorted(self.written):
            assert self.plan is not None
            yield self.store.table(self.plan[row].id)


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
    device: str = "auto",
    **options: Any,
) -> Corpus:
    """Label a corpus; what is done already is kept. `options` override the YAML, as in `avfer.load`.

    inputs: files, folders, globs, a .txt list, or a manifest (.csv, .parquet), here or as URLs; shard: "2/3";
    max_seconds: of one clip; max_memory: GB of one worker. A clip that cannot be labelled is counted in the result and
    told in `failures.jsonl`. Raises ConfigError, WeightsError or MissingExtra before any work, and OutputError where
    the output folder fails.
    """
    named = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    limits = Limits(max_seconds, None if max_memory is None else max_memory * 1e9)
    wishes = Wishes(device, workers, ray, 1.0, Shard.read(shard), limits, retry_failed, overwrite)
    report = Report(Store(Path(output), wishes.shard))
    label_corpus(read_pipeline(pipeline, options), [str(text) for text in named], wishes, report, Silence())
    assert report.corpus is not None
    return report.corpus


def label_corpus(spec: PipelineSpec, inputs: Sequence[str], wishes: Wishes, report: Report, screen: Screen) -> None:
    """Label a corpus; `report` tells of it even where this raises."""
    check_wishes(wishes)
    store = report.store
    if store.folder.exists() and not store.folder.is_dir():
        raise ConfigError(f"--output {store.folder} is a file; labels need a folder")
    manifest = find_manifest(inputs)
    sources = _begun(find_sources(inputs, manifest))
    with locked(store.locks, store.shard):
        store.sweep()
        with ThreadPoolExecutor(1) as beside:
            examined = beside.submit(examine, spec, "cpu" if wishes.ray else wishes.device)
            report.plan = write_plan(sources, manifest, store)
            recipe = examined.result()
        store.mark(store.folder / "run.json", recipe.as_json())
        with _books(report):
            _Run(recipe, wishes, report, screen).work()


@contextmanager
def _books(report: Report) -> Generator[None]:
    """Have the plan, the failures and the totals in their files before the work and after it, however that ends."""
    try:
        settle(report.store)
        yield
    except BaseException:
        with suppress(AvferError):  # the first error is the one to tell
            report.corpus = settle(report.store)
        raise
    else:
        report.corpus = settle(report.store)
    finally:
        report.store.sweep()


def _begun(sources: Iterator[Source]) -> Iterator[Source]:
    """The same sources; an input that names nothing is told now, before the output folder is made."""
    first = next(sources, None)
    if first is None:
        raise ConfigError("the input names no clip")

    def chain() -> Iterator[Source]:
        yield first
        yield from sources

    return chain()


class _Run:
    """What is left of a plan, on its way through an executor."""

    def __init__(self, recipe: Recipe, wishes: Wishes, report: Report, screen: Screen) -> None:
        assert report.plan is not None
        self._recipe, self._wishes, self._report, self._screen = recipe, wishes, report, screen
        self._plan, self._store = report.plan, report.store
        self._deaths = Counter[int]()
        self._again: deque[int] = deque()
        self._states: dict[int, State] = {}

    def work(self) -> None:
        """Do what is left. OutputError where the output folder fails; clips in flight are left then."""
        kept, failed, left = self._sorted()
        self._report.failed = failed
        bytes_left = sum(map(self._plan.size, left))
        self._screen.begin(len(self._plan), kept, failed, bytes_left)
        if not left:
            return
        task = Labelling(self._recipe.spec, self._recipe.device, self._recipe.fingerprint, self._store)
        executor = choose_executor(self._wishes, self._recipe, len(left))
        for order, result in executor.map(task, self._taker(left)):
            self._hear(order, result)

    def _sorted(self) -> tuple[int, int, list[int]]:
        """How many clips are done and failed, and the rows of the others; large clips first, to end together."""
        count, left = Counter[State](), list[int]()
        for row, entry in enumerate(self._plan):
            state, _ = self._store.state(entry, self._recipe.fingerprint)
            failed_again = state is State.FAILED and self._wishes.retry_failed
            if self._wishes.overwrite or failed_again or state in (State.LEFT, State.STAMP):
                left.append(row)
                self._states[row] = State.LEFT if self._wishes.overwrite else state
            else:
                count[state] += 1
        left.sort(key=self._plan.size, reverse=True)
        return count[State.DONE], count[State.FAILED], left

    def _taker(self, left: list[int]) -> Callable[[], Any]:
        """Gives the next clip; those whose worker died come once more, after all others."""
        rows = iter(left)

        def take() -> Order | None:
            row = next(rows, None)
            if row is None and self._again:
                row = self._again.popleft()
            return None if row is None else Order(row, self._plan[row], self._states[row])

        return take

    def _hear(self, order: Order, result: Marker | Failure | Lost) -> None:
        if isinstance(result, dict):
            self._report.written.append(order.row)
            self._screen.done(order.entry, result)
        elif isinstance(result, Failure):
            self._fail(order.entry, result)
        else:
            self._mourn(order, result)

    def _mourn(self, order: Order, lost: Lost) -> None:
        """A death is counted by this run alone; when a run is killed with its workers, nobody is blamed."""
        self._deaths[order.row] += 1
        if self._deaths[order.row] < TRIES:
            self._again.append(order.row)
            self._screen.lost(order.entry, lost.reason)
        else:
            self._fail(
                order.entry, Failure(f"its worker {lost.reason}, {TRIES} times of {TRIES}", "worker", lost.trace)
            )

    def _fail(self, entry: Entry, failure: Failure) -> None:
        self._report.failed += 1
        self._store.mark(
            self._store.failed(entry.id),
            {
                "id": entry.id,
                "path": entry.path,
                "reason": failure.reason,
                "stage": failure.stage,
                "trace": failure.trace,
                "pipeline": self._recipe.fingerprint,
                "clip": entry.hash,
            },
        )
        self._screen.failed(entry, failure.reason)
