"""Where a corpus is labelled: as many workers as were asked for, or as there is room for."""

import os
from dataclasses import dataclass, field

from avfer.errors import ConfigError
from avfer.executors.local import LocalExecutor
from avfer.executors.protocol import Executor, Limits
from avfer.labelling.recipe import Recipe
from avfer.labelling.shard import Shard


@dataclass(frozen=True)
class Wishes:
    """How a corpus is to be labelled; nothing in here changes a value but the device."""

    device: str = "auto"
    workers: int | None = None  # None: as many as the machine or the cluster has room for
    ray: str | None = None  # an address, or "local"
    gpus_per_worker: float = 1.0  # on Ray
    shard: Shard = field(default_factory=Shard)
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    overwrite: bool = False


def check_wishes(wishes: Wishes) -> None:
    """ConfigError where a number makes no sense."""
    positive = {
        "--workers": wishes.workers,
        "--gpus-per-worker": wishes.gpus_per_worker,
        "--max-seconds": wishes.limits.seconds,
        "--max-memory": wishes.limits.memory,
    }
    for name, value in positive.items():
        if value is not None and not value > 0:
            raise ConfigError(f"{name} should be above 0")


def choose_executor(wishes: Wishes, recipe: Recipe, clips: int) -> Executor:
    """An executor with no more workers than there are clips."""
    threads = recipe.spec.threads
    if wishes.ray:
        from avfer.executors.ray import RayExecutor, RayWishes

        most = min(clips, wishes.workers or clips)
        wanted = RayWishes(wishes.ray, most, wishes.device, wishes.gpus_per_worker)
        return RayExecutor(wanted, wishes.limits, threads)
    workers = wishes.workers or (cores() // threads if recipe.device == "cpu" else 1)
    return LocalExecutor(max(1, min(clips, workers)), wishes.limits, threads)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
