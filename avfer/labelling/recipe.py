"""What labels a corpus: a checked pipeline, and a fingerprint of everything in it that determines values."""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Self

from avfer import __version__
from avfer.executors.local import LocalExecutor
from avfer.pipeline_config import PipelineSpec


@dataclass(frozen=True)
class Recipe:
    """A pipeline that could be loaded."""

    spec: PipelineSpec
    weights: dict[str, str]  # file name -> sha256
    device: str  # that `--device` resolved to on this machine
    fingerprint: str  # of the pipeline, 64 hexadecimal digits

    def as_json(self) -> dict[str, Any]:
        """Return the content of `run.json`."""
        return {
            "fingerprint": self.fingerprint,
            "version": __version__,
            "pipeline": self.spec.text,
            "pipeline_sha256": self.spec.sha256,
            "weights": self.weights,
        }


def fingerprint(spec: PipelineSpec, weights: dict[str, str]) -> str:
    """Return the sha256 of the version, the parsed pipeline with all defaults and the weights.

    Comments and the order of keys change nothing. The device is left out: workers may differ in it.
    weights: file name -> sha256.
    """
    from avfer.origin import pipeline_sha256  # imports torch

    text = json.dumps([__version__, pipeline_sha256(spec), sorted(weights.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def load_recipe(spec: PipelineSpec, device: str) -> Recipe:
    """Check a pipeline by loading it in a process that then ends, so that this process stays small.

    Raises ConfigError, WeightsError or MissingExtra if the pipeline cannot be loaded.
    """
    with closing(LocalExecutor(threads=spec.threads).map(LoadRecipe(device), lambda: spec)) as results:
        return next(recipe for _, recipe in results if isinstance(recipe, Recipe))


@dataclass(frozen=True)
class LoadRecipe:
    """A worker task that loads pipelines and returns them as recipes."""

    device: str

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
