"""How many workers and threads a labelling run has, and options that exclude each other."""

import pytest

from avfer.errors import ConfigError
from avfer.labelling import label_options
from avfer.labelling.checked_pipeline import CheckedPipeline
from avfer.labelling.label_options import LabelOptions, count_workers
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
    monkeypatch.setattr(label_options, "available_cores", lambda: 8)
    spec = read_pipeline("aver", {"threads": network_threads})
    assert count_workers(options, CheckedPipeline(spec, {}, device, ""), clips) == expected


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
