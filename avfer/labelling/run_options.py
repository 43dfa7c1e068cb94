"""How a corpus is labelled: shards, limits, and the workers that the machine or the cluster has room for."""

import os
from dataclasses import dataclass, field

from avfer.errors import ConfigError
from avfer.executors.local import LocalExecutor
from avfer.executors.pool import Executor, Limits
from avfer.labelling.entry import Shard
from avfer.labelling.recipe import Recipe


@dataclass(frozen=True)
class LabelOptions:
    """How a corpus is labelled. No option but the device can change a value in the tables.

    The fields are the options of `avfer label` with the same names; limits are --max-seconds and --max-memory.
    """

    device: str = "auto"
    workers: int | None = None  # at most; None: as many as the machine or the cluster has room for
    ray: str | None = None  # address of a Ray cluster, or "local" to start one
    gpus_per_worker: float = 1.0  # on Ray
    shard: Shard = field(default_factory=Shard)
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    overwrite: bool = False

    def check(self) -> None:
        """Raise ConfigError if --workers, --gpus-per-worker, --max-seconds or --max-memory is not positive."""
        positive = {
            "--workers": self.workers,
            "--gpus-per-worker": self.gpus_per_worker,
            "--max-seconds": self.limits.seconds,
            "--max-memory": self.limits.memory,
        }
        for name, value in positive.items():
            if value is not None and not value > 0:
                raise ConfigError(f"{name}: must be > 0, got {value:g}")


def choose_executor(options: LabelOptions, recipe: Recipe, clips: int) -> Executor:
    """Return an executor with no more workers than clips: a Ray cluster if `options.ray` is set, else processes.

    clips: how many are left, at least 1.

    By default a CPU has one worker for each `threads` cores of the pipeline, a GPU one worker.
    """
    threads = recipe.spec.threads
    if options.ray:
        from avfer.executors.ray import RayExecutor, RayOptions

        most = min(clips, options.workers or clips)
        ray_options = RayOptions(options.ray, most, options.device, options.gpus_per_worker)
        return RayExecutor(ray_options, options.limits, threads)
    workers = options.workers or (available_cores() // threads if recipe.device == "cpu" else 1)
    return LocalExecutor(max(1, min(clips, workers)), options.limits, threads)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
