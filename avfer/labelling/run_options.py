"""How a corpus is labelled: shards, limits, and the workers that the machine or the cluster has room for."""

import os
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from avfer.executors.local import LocalExecutor
from avfer.executors.pool import Executor, Limits
from avfer.labelling.entry import Shard
from avfer.labelling.recipe import Recipe
from avfer.option_types import Count, Number, check_option


@dataclass(frozen=True)
class LabelOptions:
    """How a corpus is labelled. No option but the device and `sound` can change a value in the tables.

    The fields are the options of `avfer label` with the same names; limits are --max-seconds and --max-memory.
    """

    device: str = "auto"
    workers: int | None = None  # at most; None: as many as the machine or the cluster has room for
    ray: str | None = None  # address of a Ray cluster, or "local" to start one
    gpus_per_worker: float = 1.0  # on Ray
    shard: Shard = field(default_factory=Shard)
    limits: Limits = field(default_factory=Limits)
    sound: str | None = None  # rule for separate sound files, see avfer.sound_files
    retry_failed: bool = False
    overwrite: bool = False
    stills: bool = False  # each picture of a sequence is a clip of its own

    def check(self) -> None:
        """Raise ConfigError if --workers, --gpus-per-worker, --max-seconds or --max-memory is out of its range."""
        memory = self.limits.memory
        check_option("--workers", self.workers, Annotated[Count, Field(gt=0, le=4096)] | None)
        check_option("--gpus-per-worker", self.gpus_per_worker, Annotated[Number, Field(gt=0, le=64)])
        check_option("--max-seconds", self.limits.seconds, Annotated[Number, Field(gt=0)] | None)
        check_option("--max-memory", None if memory is None else memory / 1e9, Annotated[Number, Field(gt=0)] | None)


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
