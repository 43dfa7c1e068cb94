"""What labels a corpus: a checked pipeline and its fingerprint, the options of a run, and the executor they choose."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from avfer import __version__
from avfer.cores import available_cores
from avfer.errors import ConfigError
from avfer.executors.local import LocalExecutor
from avfer.executors.pool import Executor, Limits, LostItem, load_error
from avfer.labelling.entry import Shard
from avfer.option_types import Count, Number, Threads, check_device, check_given_option
from avfer.pipeline_config import PipelineSpec


@dataclass(frozen=True)
class Recipe:
    """A pipeline that could be loaded."""

    spec: PipelineSpec  # the pipeline
    weights: dict[str, str]  # file name -> sha256
    device: str  # that `--device` resolved to on this machine
    fingerprint: str  # of the pipeline, 64 hexadecimal digits

    def as_json(self) -> dict[str, Any]:
        """Return the content of `run.json`."""
        return {
            "fingerprint": self.fingerprint,
            "version": __version__,
            "pipeline_name": self.spec.name,
            "pipeline": self.spec.text,
            "pipeline_sha256": self.spec.sha256,
            "weights": self.weights,
        }


def fingerprint(spec: PipelineSpec, weights: dict[str, str]) -> str:
    """Return the sha256 of the version, the parsed pipeline with all defaults and the weights.

    Comments and the order of keys change nothing. The device is left out: workers may differ in it.
    weights: file name -> sha256.
    """
    from avfer.provenance_comparison import pipeline_sha256  # imports torch

    text = json.dumps([__version__, pipeline_sha256(spec), sorted(weights.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def check_same_pipeline(recipe: Recipe, run: Mapping[str, Any], folder: Path) -> None:
    """Raise ConfigError if another pipeline, option or weight file made the labels in a folder; name both.

    run: content of `run.json` there. Labels of another version of avfer are made again, so they are not compared.
    """
    if run.get("version") != __version__ or run.get("fingerprint") == recipe.fingerprint:
        return
    from avfer.provenance import Provenance
    from avfer.provenance_comparison import differences, pipeline_sha256  # imports torch

    found = {key: run.get(key, "") for key in ("pipeline_name", "pipeline")}
    found["weights"] = json.dumps(run.get("weights", {}))
    spec, sha256 = recipe.spec, pipeline_sha256(recipe.spec)
    wanted = Provenance("", "", {}, spec.name, spec.text, parsed_pipeline_sha256=sha256, weights=recipe.weights)
    different = differences(found, wanted) or ["another pipeline"]
    advice = "choose another --output, or use --overwrite to label all clips again"
    raise ConfigError(f"the labels in {folder} were made by {', and '.join(different)}; {advice}")


def load_recipe(spec: PipelineSpec, device: str) -> Recipe:
    """Check a pipeline by loading it in a process that then ends, so that this process stays small.

    Raises ConfigError, WeightsError or MissingExtra if the pipeline cannot be loaded, and OutputError if the process
    ends before it is loaded, such as for lack of memory.
    """
    with closing(LocalExecutor(threads=spec.threads).map(LoadRecipe(device), lambda: spec)) as results:
        recipe: Recipe | LostItem = next(results)[1]
    if isinstance(recipe, LostItem):
        raise load_error(f"the pipeline cannot be loaded: its process {recipe.reason}", recipe.trace)
    return recipe


@dataclass(frozen=True)
class LoadRecipe:
    """A worker task that loads pipelines and returns them as recipes."""

    device: str  # name, such as "cpu" or "auto"

    def with_device(self, device: str) -> Self:
        """Return the same task for another device."""
        return replace(self, device=device)

    def load(self) -> Callable[[PipelineSpec], Recipe]:
        """Return the function that loads a pipeline."""
        return self._load_recipe

    def _load_recipe(self, spec: PipelineSpec) -> Recipe:
        from avfer.pipeline import Pipeline

        pipeline = Pipeline(spec, self.device)
        return Recipe(spec, pipeline.files, str(pipeline.device), fingerprint(spec, pipeline.files))


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


def choose_executor(options: LabelOptions, recipe: Recipe, clips: int) -> Executor:
    """Return an executor with no more workers than clips: a Ray cluster if `options.ray` is set, else processes.

    clips: how many are left, at least 1.
    """
    threads = recipe.spec.threads
    if options.ray:
        from avfer.executors.ray import RayExecutor, RayOptions

        most = min(clips, options.workers or clips)
        ray_options = RayOptions(options.ray, most, options.device, options.gpus_per_worker)
        return RayExecutor(ray_options, options.limits, threads)
    return LocalExecutor(count_workers(options, recipe, clips)[0], options.limits, threads)


def count_workers(options: LabelOptions, recipe: Recipe, clips: int) -> tuple[int, int]:
    """Return how many workers a run has on this machine, and the CPU threads of each.

    What the options leave open is chosen so that all threads fit the cores of this process: a CPU has a worker for each
    core, or for as many as the threads of a network or `threads` take; a GPU has one. On Ray the threads are those of a
    network. clips: how many are left, at least 1.
    """
    cores, needed = available_cores(), options.threads or recipe.spec.threads
    workers = options.workers or (cores // needed if recipe.device == "cpu" else 1)
    workers = max(1, min(clips, workers))
    return workers, needed if options.threads or options.ray else max(needed, cores // workers)
