"""An experiment from its configuration to its weights."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from avfer.card import Card
from avfer.catalog import find, kind_of
from avfer.datasets.example import Corpus
from avfer.errors import ConfigError, MissingExtra
from avfer.training.affect import AffectTask, positive_weights
from avfer.training.config import TrainConfig, read_config
from avfer.training.delay_search import search_delays
from avfer.training.embed import Embedder
from avfer.training.objective import Objective
from avfer.training.partitions import check_space, prepare_output, read_partitions
from avfer.training.sequences import Names, Recording, Sequences
from avfer.weights import card_of, load_into, locate

Tell = Callable[[str, int, int], None]  # what is done now, how much of it, of how much


@dataclass(frozen=True)
class Trained:
    """What an experiment left."""

    folder: Path
    weights: Path  # of the best epoch
    scores: dict[str, float]  # of that epoch
    epochs: int


def train(
    config: TrainConfig | Path | str, resume: bool = False, tell: Tell = lambda *_: None, **settings: Any
) -> Trained:
    """Run an experiment, given as a YAML (of which `settings` change keys: {"optimiser.rate": 3e-4}) or ready-made.

    All that can be wrong of the corpus and the configuration is told before training starts: ConfigError,
    DatasetError, WeightsError or MissingExtra.
    """
    if not isinstance(config, TrainConfig):
        config = read_config(Path(config), settings)
    elif settings:
        raise ConfigError(f"{', '.join(settings)}: settings change a YAML; change the fields of a TrainConfig itself")
    try:
        from avfer.training.processes import launch
    except ModuleNotFoundError as error:
        raise MissingExtra("training", "lightning-fabric", "train") from error
    task = _task(config, resume, tell)
    check_space(config.output, sum(p.numel() for p in task.objective.parameters()))
    progress = launch(task, config, tell)
    best = max(progress.history, key=lambda row: row["score"])
    scores = {name: value for name, value in best.items() if name not in {"epoch", "loss", "rate"}}
    return Trained(config.output, config.output / "best.safetensors", scores, progress.epoch)


def _task(config: TrainConfig, resume: bool, tell: Tell) -> Any:
    kind = kind_of(config.model)
    if kind == "backbone":
        from avfer.training.pictures import picture_task

        return picture_task(config, resume, tell)
    _check_targets(config)
    if kind in {"video model", "voice backbone"} or (kind == "affect model" and config.backbone is not None):
        from avfer.training.videos import video_task

        return video_task(config, resume, tell)
    if kind == "affect model":
        return _affect_task(config, resume, tell)
    told = "what can be trained is an affect model, a video model or a backbone"
    raise ConfigError(f"model: {config.model} is a {kind}; {told}")


def _check_targets(config: TrainConfig) -> None:
    """ConfigError where a model over time is to learn as only face networks can."""
    if not config.targets:
        raise ConfigError(f"targets: without one, face networks alone can learn; {config.model} needs labels")
    for name in ("triplets", "unlabelled"):
        if getattr(config, name) is not None:
            raise ConfigError(f"{name}: face networks alone learn from single faces; leave it out for {config.model}")
    if config.mix.mixup or config.mix.cutmix:
        raise ConfigError(f"mix: pictures of face networks are mixed, no recordings; leave it out for {config.model}")


def _affect_task(config: TrainConfig, resume: bool, tell: Tell) -> AffectTask:
    corpus, train_examples, dev_examples = read_partitions(config)
    embedder = Embedder(config.pipeline, dict(config.settings), config.output / "features", config.device)
    prepare_output(config.output, resume, config_text(config))
    names = Names.of([*train_examples, *dev_examples], config.targets)
    total, done, partitions = len(train_examples) + len(dev_examples), 0, list[list[Recording]]()
    for examples in (train_examples, dev_examples):
        partitions.append([])
        for example in examples:
            features = embedder.features(example)
            partitions[-1].append(Recording.of(example, features, config.targets, names))
            done += 1
            tell("features", done, total)
    known, held = partitions
    delays = delays_of(config, known, held)
    torch.manual_seed(config.seed)
    options = model_options(embedder.widths, names, config)
    model = find("affect model", config.model)(**options)
    card = learned(card_of(config.model, **options), corpus, config, names, delays)
    card = card.model_copy(update={"trained_on": embedder.backbones})
    if config.weights is not None:
        begin_with(model, config)
    objective = Objective(model, config.targets, config.loss, positive_weights(known))
    sequences = Sequences(known, config.length, config.stride, delays)
    return AffectTask(objective, sequences, held, config, names, card, delays)


def model_options(features: dict[str, int], names: Names, config: TrainConfig) -> dict[str, Any]:
    """Options of the model: widths of the features, counts of what is told, then what the configuration says."""
    widths = {f"num_{modality}": width for modality, width in features.items()}
    return {**widths, **head_options(names, config), **config.model_options}


def head_options(names: Names, config: TrainConfig) -> dict[str, Any]:
    """Options of the heads that a model may have: counts of what is told, and nothing that is no target."""
    told: dict[str, Any] = {"num_classes": len(names.classes), "num_action_units": len(names.units)}
    if "valence_arousal" not in config.targets:
        told["valence_arousal"] = "none"
    known = inspect.signature(find(kind_of(config.model), config.model)).parameters
    return {name: value for name, value in told.items() if name in known}


def learned(card: Card, corpus: Corpus, config: TrainConfig, names: Names, delays: tuple[float, float]) -> Card:
    """The card of a model that has learned from a corpus, before it is measured."""
    return card.model_copy(
        update={
            "classes": list(names.classes),
            "action_units": list(names.units) or card.action_units,
            "orders": [],
            "data": f"{corpus.name} ({corpus.distribution}), partition {config.train}; {corpus.protocol}",
            "description": f"Trained by avfer on {corpus.name}. Labels were moved earlier by {delays} s (valence,"
            " arousal): predictions come earlier than raters would tell by as much.",
            "published": [],
            "metrics": [],
            "sha256": None,
        }
    )


def config_text(config: TrainConfig) -> str:
    """The configuration as YAML, without what may differ between a start and its resumption."""
    return yaml.safe_dump(config.model_dump(mode="json", exclude={"output"}), sort_keys=False)


def delays_of(config: TrainConfig, known: list[Recording], held: list[Recording]) -> tuple[float, float]:
    """Seconds by which labels of valence and of arousal are moved earlier, as configured or searched."""
    if "valence_arousal" not in config.targets:
        return 0.0, 0.0
    if config.delay == "search":
        return search_delays(known, held)
    if isinstance(config.delay, dict):
        return config.delay.get("valence", 0.0), config.delay.get("arousal", 0.0)
    return float(config.delay), float(config.delay)


def begin_with(model: torch.nn.Module, config: TrainConfig) -> None:
    """Put the configured weights into a model. WeightsError where they do not fit."""
    path, card = locate(config.model, str(config.weights))
    load_into(model, path, card)
