"""What labels a corpus: the pipeline, and a fingerprint of everything in it that decides values."""

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
    """A pipeline that has proved sound."""

    spec: PipelineSpec
    weights: dict[str, str]  # file name -> sha256
    device: str  # that `--device` comes down to here

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.spec, self.weights)

    def as_json(self) -> dict[str, Any]:
        """What `run.json` holds."""
        return {
            "fingerprint": self.fingerprint,
            "version": __version__,
            "pipeline": self.spec.text,
            "pipeline_sha256": self.spec.sha256,
            "weights": self.weights,
        }


def fingerprint(spec: PipelineSpec, weights: dict[str, str]) -> str:
    """The version, the YAML and the weights as one sha256. The device is no part of it: workers may differ."""
    told = json.dumps([__version__, spec.sha256, sorted(weights.items())])
    return hashlib.sha256(told.encode()).hexdigest()


def examine(spec: PipelineSpec, device: str) -> Recipe:
    """Check a pipeline by loading it in a process that then ends, so that this one stays small.

    Raises ConfigError, WeightsError or MissingExtra where it cannot work.
    """
    with closing(LocalExecutor(threads=spec.threads).map(Examination(device), lambda: spec)) as examined:
        return next(recipe for _, recipe in examined if isinstance(recipe, Recipe))


@dataclass(frozen=True)
class Examination:
    """Load pipelines and tell what is in them."""

    device: str

    def on(self, device: str) -> Self:
        return replace(self, device=device)

    def load(self) -> Callable[[PipelineSpec], Recipe]:
        return self._examine

    def _examine(self, spec: PipelineSpec) -> Recipe:
        from avfer.pipeline import Pipeline

        pipeline = Pipeline(spec, self.device)
        return Recipe(spec, pipeline.files, str(pipeline.device))
