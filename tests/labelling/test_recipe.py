"""How many workers and threads a labelling run has."""

from collections.abc import Callable, Generator

import pytest

from avfer.errors import ConfigError, OutputError
from avfer.executors.pool import LostItem
from avfer.labelling import recipe as module
from avfer.labelling.recipe import LabelOptions, Recipe, count_workers, load_recipe
from avfer.pipeline_config import read_pipeline


@pytest.mark.parametrize(
    ("options", "network_threads", "device", "clips", "expected"),
    [
        (LabelOptions(), 1, "cpu", 100, (8, 1)),
        (LabelOptions(), 1, "cpu", 3, (3, 2)),
        (LabelOptions(), 2, "cpu", 100, (4, 2)),
        (LabelOptions(workers=2), 1, "cpu", 100, (2, 4)),
        (LabelOptions(workers=16), 1, "cpu", 100, (16, 1)),
        (LabelOptions(threads=4), 1, "cpu", 100, (2, 4)),
        (LabelOptions(threads=100), 1, "cpu", 100, (1, 100)),
        (LabelOptions(workers=3, threads=4), 1, "cpu", 100, (3, 4)),
        (LabelOptions(), 1, "cuda", 100, (1, 8)),
    ],
)
def test_threads_of_all_workers_fit_the_cores_unless_options_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    options: LabelOptions,
    network_threads: int,
    device: str,
    clips: int,
    expected: tuple[int, int],
) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 8)
    spec = read_pipeline("aver", {"threads": network_threads})
    assert count_workers(options, Recipe(spec, {}, device, ""), clips) == expected


def test_threads_and_ray_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="--threads: leave it out with --ray"):
        LabelOptions(ray="local", threads=2).check()


@pytest.mark.parametrize(
    ("device", "share", "message"),
    [
        ("gpu", 1.0, "a GPU is 'cuda'"),
        ("cuda, cpu", 1.0, "unknown device ' cpu'"),
        ("cuda:1,cpu", 1.0, "--device cuda:1: leave the number out"),
        ("auto,cpu", 1.0, "'auto' cannot be part of a list"),
        ("cuda", 1.5, "--gpus-per-worker: above 1 it must be a whole number, got 1.5"),
    ],
)
def test_devices_that_ray_cannot_give_are_refused(device: str, share: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelOptions(ray="local", device=device, gpus_per_worker=share).check()
    LabelOptions(ray="local", device="cuda,cpu", gpus_per_worker=2.0).check()


def test_a_pipeline_that_ends_its_process_while_it_is_loaded_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = LostItem("was killed (SIGKILL), by a user or because memory ran out", "the last lines")

    class Executor:
        def __init__(self, threads: int) -> None:
            pass

        def map(self, task: object, take: Callable[[], object]) -> Generator[tuple[object, object]]:
            while True:
                yield take(), lost

    monkeypatch.setattr(module, "LocalExecutor", Executor)
    with pytest.raises(OutputError, match=r"cannot be loaded: its process was killed .* memory ran out$"):
        load_recipe(read_pipeline("vision"), "cpu")
