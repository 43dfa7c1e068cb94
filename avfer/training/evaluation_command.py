"""The command that scores a model just trained, on the test partition if the corpus has one."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avfer.catalog import find, kind_of
from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import DIMENSIONS
from avfer.models.card import Card
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.stages.add_measures import AddMeasures
from avfer.stages.find_speakers import FindSpeakers
from avfer.stages.mask_voice import MaskVoice
from avfer.training.training_config import NO_DELAY, Delays, TrainConfig


def evaluation_command(config: TrainConfig, card: Card, delays: Delays = NO_DELAY) -> str:
    """Return the command line of `avfer evaluate` for the weights of a training run.

    card: of the trained weights; delays: by which labels were moved in training, undone on predictions. Raises
    ConfigError or DatasetError if corpus or pipeline cannot be read any more.
    """
    words = ["avfer", "evaluate", "--corpus", config.corpus, "--root", str(config.root), "--partition"]
    partitions = open_corpus(config.corpus, config.root, **config.options).partitions
    words.append("test" if "test" in partitions else config.dev)
    weights = config.output / "best.safetensors"
    if kind_of(config.model) == "backbone":
        words += ["--model", config.model, "--weights", str(weights)]
        settings = dict[str, Any]()
    else:
        pipeline, settings = _pipeline_settings(config, card, weights)
        words += ["--pipeline", pipeline]
    settings |= {f"options.{name}": value for name, value in config.options.items()}
    settings |= {f"delay.{name}": round(delay, 4) for name, delay in zip(DIMENSIONS, delays, strict=True) if delay}
    for name, value in settings.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join([*words, "--output", str(config.output / "evaluation")])


def _pipeline_settings(config: TrainConfig, card: Card, weights: Path) -> tuple[str, dict[str, Any]]:
    """Return the pipeline that a trained model over time is used in, and the settings that put it there.

    - A whole network replaces the stage of each of its inputs.
    - A whole network that reads no faces is used in the pipeline `voice`.
    - The pipeline ends before measures are added: they would replace the action units of the model, and cannot be
      scored without a threshold.
    - A network that was trained end to end reads all sound, as in training: stages that mask the voice mask nothing.
    """
    is_whole = kind_of(config.model) != "affect model"
    reads_faces = not is_whole or "face" in card.inputs or not card.inputs
    pipeline = config.pipeline if reads_faces else "voice"
    spec = read_pipeline(pipeline)
    stages = {stage.use: stage.name for stage in reversed(spec.stages)}
    changes = {f"settings.{name}": value for name, value in config.settings.items()}
    for use, option, network, file in _replaced(config, card, weights, is_whole):
        if use in stages:
            changes |= {f"settings.{stages[use]}.{option}": network, f"settings.{stages[use]}.weights": str(file)}
    if "voice" in card.inputs and (is_whole or config.backbone is not None):
        masks = [stage.name for stage in spec.stages if find("stage", stage.use) in {MaskVoice, FindSpeakers}]
        changes |= {f"settings.{name}.threshold": 0 for name in masks}
    if (output := _before_measures(spec)) != spec.output:
        changes["settings.output"] = output
    return pipeline, changes


def _before_measures(spec: PipelineSpec) -> str:
    """Return the name of the stage whose output is that of a pipeline, without the measures that are added last."""
    stages = {stage.name: stage for stage in spec.stages}
    name = spec.output
    while find("stage", stages[name].use) is AddMeasures:
        name = stages[name].inputs[0]
    return name


def _replaced(config: TrainConfig, card: Card, weights: Path, is_whole: bool) -> Iterator[tuple[str, str, str, Path]]:
    """Yield each stage that the trained networks replace: its kind, the option with the name, name and weights."""
    if config.backbone is not None:
        yield "embed_faces", "backbone", config.backbone.name, config.output / "backbone.safetensors"
    if is_whole and ("face" in card.inputs or not card.inputs):
        yield "embed_faces", "backbone", config.model, weights
    if is_whole and "voice" in card.inputs:
        yield "embed_voice", "backbone", config.model, weights
    if not is_whole or card.inputs:
        yield "predict_affect", "model", config.model, weights
