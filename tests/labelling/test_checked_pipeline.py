"""The pipeline of a labelling run is loaded once, in a process of its own, before any clip."""

from collections.abc import Callable, Generator

import pytest

from avfer.errors import OutputError
from avfer.executors.pool import LostItem
from avfer.labelling import checked_pipeline
from avfer.labelling.checked_pipeline import check_pipeline
from avfer.pipeline_config import read_pipeline


def test_a_pipeline_that_ends_its_process_while_it_is_loaded_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = LostItem("was killed (SIGKILL), by a user or because memory ran out", "the last lines")

    class Executor:
        def __init__(self, threads: int) -> None:
            pass

        def map(self, task: object, take: Callable[[], object]) -> Generator[tuple[object, object]]:
            while True:
                yield take(), lost

    monkeypatch.setattr(checked_pipeline, "LocalExecutor", Executor)
    with pytest.raises(OutputError, match=r"cannot be loaded: its process was killed .* memory ran out$"):
        check_pipeline(read_pipeline("vision"), "cpu")
