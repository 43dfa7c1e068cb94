"""The options of a labelling run, and the executor and the number of workers that they choose."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from avfer.cores import available_cores
from avfer.errors import ConfigError
from avfer.executors.local import LocalExecutor
from avfer.executors.pool import Executor, Limits
from avfer.labelling.checked_pipeline import CheckedPipeline
from avfer.labelling.entry import Shard
from avfer.option_types import Count, Number, Threads, check_device, check_given_option


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """How a corpus is labelled. No option but the device and `sound` can change a value in the tables.

    The fields are the options of `avfer label` with the same names; limits are --max-seconds and --max-memory.
    """

    device: str = "auto"
    workers: int | None = None  # at most; None: as many as the machine or the cluster has room for
    ray: str | None = None  # address of a Ray cluster, or "local" to start one
    gpus_per_worker: float = 1.0  # on Ray
    shard: Shard = field(default_factory=Shard)  # share of the corpus to label
    limits: Limits = field(default_factory=Limits)
    sound: str | None = None  # rule for separate sound files, see avfer.sound_files
    retry_failed: bool = False  # label clips again that failed before
    overwrite: bool = False  # label all clips again, also those of another pipeline
    stills: bool = False  # each picture of a sequence is a clip of its own
    blur: str | None = None  # "others" or "all": whose faces the overlay blurs; None: no overlay
    threads: int | None = None  # CPU threads of each worker; None: the cores of this machine, shared among the workers

    def check(self) -> None:
        """Raise ConfigError if a number is out of its range, or if options exclude each other."""
        if self.ray and self.threads is not None:
            raise ConfigError("--threads: leave it out with --ray, where Ray assigns cores to each worker")
        if self.ray:
            self._check_ray_devices()
        else:
            check_device(self.device)
        memory = self.limits.memory
        check_given_option("--workers", self.workers, Annotated[Count, Field(gt=0, le=4096)])
        check_given_option("--threads", self.threads, Threads)
        check_given_option("--gpus-per-worker", self.gpus_per_worker, Annotated[Number, Field(gt=0, le=64)])
        if self.gpus_per_worker > 1 and not self.gpus_per_worker.is_integer():
            raise ConfigError(f"--gpus-per-worker: above 1 it must be a whole number, got {self.gpus_per_worker:g}")
        check_given_option("--max-seconds", self.limits.seconds, Annotated[Number, Field(gt=0)])
        check_given_option("--max-memory", None if memory is None else memory / 1e9, Annotated[Number, Field(gt=0)])

    def _check_ray_devices(self) -> None:
        """Raise ConfigError unless `device` is "auto" or a list of kinds without numbers."""
        for name in self.device.split(","):
            check_device(name)
            if ":" in name:
                kind = name.partition(":")[0]
                raise ConfigError(f"--device {name}: leave the number out, Ray chooses one for each worker: '{kind}'")
            if name == "auto" != self.device:
                raise ConfigError(f"--device {self.device}: 'auto' cannot be part of a list")


def choose_executor(options: LabelOptions, pipeline: CheckedPipeline, clips: int) -> Executor:
    """Return an executor with no more workers than clips: a Ray cluster if `options.ray` is set, else processes.

    clips: how many are left, at least 1.
    """
    threads = pipeline.spec.threads
    if options.ray:
        from avfer.executors.ray import RayExecutor, RayOptions

        most = min(clips, options.workers or clips)
        ray_options = RayOptions(options.ray, most, options.device, options.gpus_per_worker)
        return RayExecutor(ray_options, options.limits, threads)
    return LocalExecutor(count_workers(options, pipeline, clips)[0], options.limits, threads)


def count_workers(options: LabelOptions, pipeline: CheckedPipeline, clips: int) -> tuple[int, int]:
    """Return how many workers a run has on this machine, and the CPU threads of each.

    What the options leave open is chosen so that all threads fit the cores of this process: a CPU has a worker for each
    core, or for as many as the threads of a network or `threads` take; a GPU has one. On Ray the threads are those of a
    network. clips: how many are left, at least 1.
    """
    cores, needed = available_cores(), options.threads or pipeline.spec.threads
    workers = options.workers or (cores // needed if pipeline.device == "cpu" else 1)
    workers = max(1, min(clips, workers))
    return workers, needed if options.threads or options.ray else max(needed, cores // workers)
