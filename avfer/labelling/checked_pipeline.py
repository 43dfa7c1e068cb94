"""The pipeline of a labelling run, checked by loading it once, and its fingerprint."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from avfer import __version__
from avfer.errors import ConfigError
from avfer.executors.local import LocalExecutor
from avfer.executors.pool import LostItem, load_error
from avfer.pipeline_config import PipelineSpec


@dataclass(frozen=True)
class CheckedPipeline:
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


def check_same_pipeline(pipeline: CheckedPipeline, run: Mapping[str, Any], folder: Path) -> None:
    """Raise ConfigError if another pipeline, option or weight file made the labels in a folder; name both.

    run: content of `run.json` there. Labels of another version of avfer are made again, so they are not compared.
    """
    if run.get("version") != __version__ or run.get("fingerprint") == pipeline.fingerprint:
        return
    from avfer.provenance import Provenance
    from avfer.provenance_comparison import differences, pipeline_sha256  # imports torch

    found = {key: run.get(key, "") for key in ("pipeline_name", "pipeline")}
    found["weights"] = json.dumps(run.get("weights", {}))
    spec, sha256 = pipeline.spec, pipeline_sha256(pipeline.spec)
    wanted = Provenance("", "", {}, spec.name, spec.text, parsed_pipeline_sha256=sha256, weights=pipeline.weights)
    different = differences(found, wanted) or ["another pipeline"]
    advice = "choose another --output, or use --overwrite to label all clips again"
    raise ConfigError(f"the labels in {folder} were made by {', and '.join(different)}; {advice}")


def check_pipeline(spec: PipelineSpec, device: str) -> CheckedPipeline:
    """Check a pipeline by loading it in a process that then ends, so that this process stays small.

    Raises ConfigError, WeightsError or MissingExtra if the pipeline cannot be loaded, and OutputError if the process
    ends before it is loaded, such as for lack of memory.
    """
    with closing(LocalExecutor(threads=spec.threads).map(CheckTask(device), lambda: spec)) as results:
        checked: CheckedPipeline | LostItem = next(results)[1]
    if isinstance(checked, LostItem):
        raise load_error(f"the pipeline cannot be loaded: its process {checked.reason}", checked.trace)
    return checked


@dataclass(frozen=True)
class CheckTask:
    """A worker task that loads pipelines and returns what a run needs to know of them."""

    device: str  # name, such as "cpu" or "auto"

    def with_device(self, device: str) -> Self:
        """Return the same task for another device."""
        return replace(self, device=device)

    def load(self) -> Callable[[PipelineSpec], CheckedPipeline]:
        """Return the function that loads a pipeline."""
        return self._check

    def _check(self, spec: PipelineSpec) -> CheckedPipeline:
        from avfer.pipeline import Pipeline

        pipeline = Pipeline(spec, self.device)
        return CheckedPipeline(spec, pipeline.files, str(pipeline.device), fingerprint(spec, pipeline.files))
