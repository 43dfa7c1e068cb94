"""The task of a model over time: sequences of recordings to train on, and whole recordings to score.

Steps: read the partitions (data/labelled_partitions.py), create the model (sequence_model.py), compute or load the
inputs of all recordings (data/feature_cache.py, or data/clip_cache.py for end-to-end training), search the reaction
delay if configured (delay_search.py), and combine model and loss (sequence_objective.py).
"""

import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from avfer.catalog import kind_of
from avfer.datasets.example import DIMENSIONS, Example
from avfer.datasets.single_label import spread
from avfer.errors import AvferWarning, ConfigError, counted, shortened
from avfer.evaluation.post_processing import undo_delay
from avfer.losses.affect_labels import AffectLabels
from avfer.losses.label_losses import occurrence_weights
from avfer.models.card import Card
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction
from avfer.models.weights import save
from avfer.pipeline_config import read_pipeline
from avfer.progress import ReportProgress
from avfer.training.data.audio_cache import AudioCache
from avfer.training.data.augmentation import augmented_alike
from avfer.training.data.clip_cache import AudioOnlyCache, ClipCache
from avfer.training.data.feature_cache import FeatureCache
from avfer.training.data.labelled_partitions import read_partitions
from avfer.training.data.recording_cache import InputSource, has_voice_features
from avfer.training.data.sequence_batches import Recording, SequenceBatch, Sequences
from avfer.training.engine.optimiser import make_optimiser
from avfer.training.engine.output_folder import prepare_output
from avfer.training.labels import TargetNames, labels_of
from avfer.training.model_card import scored_card, trained_card
from avfer.training.scored_partition import ScoredPartition
from avfer.training.scores import TargetScores, mean_of_steps, on_cpu, with_valence_arousal
from avfer.training.sequences.delay_search import search_delays
from avfer.training.sequences.sequence_model import (
    CnnRnn,
    CreatedModel,
    EndToEndNetwork,
    affect_model,
    cnn_rnn,
    standardise,
    target_names,
    whole_network,
)
from avfer.training.sequences.sequence_objective import SequenceObjective
from avfer.training.start_files import check_start_files
from avfer.training.training_config import AUGMENTATIONS, NO_DELAY, Augmentation, Delays, Target, TrainConfig

BACKBONE = "backbone.safetensors"  # beside the weights of the affect model that reads it
ALL_SOUND = (
    "It learned from all sound, with and without speech: a pipeline needs spoken.threshold=0, and speakers.threshold=0"
    " if it has that stage."
)
SAME_RATE = 1.25  # between the rates of labels and of a pipeline, largest ratio without a warning
ORDER: tuple[Target, ...] = ("valence_arousal", "expression", "action_units")  # of the scores


@dataclass(eq=False)
class SequenceTask:
    """Recordings of two partitions, and the model with its loss."""

    objective: SequenceObjective  # model and loss
    train: Sequences  # sequences to train on
    dev: list[Recording]  # whole recordings to score
    config: TrainConfig  # of the training run
    names: TargetNames  # classes and action units, in the order of the logits
    card: Card  # of the exported weights, without scores
    delays: Delays = NO_DELAY  # s, by which labels were moved earlier; predictions are moved later again
    augmentation: Augmentation | None = None  # of crops; None for features

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, indices: list[int]) -> SequenceBatch:
        """Return the sequences of these indices; crops are changed at random, those of a sequence alike.

        The changes depend on torch's random number state alone, which is part of a checkpoint.
        """
        if self.augmentation is None:
            return self.train.batch(indices)
        seed, batch = int(torch.randint(2**62, ())), self.train.batch(indices)
        if self.augmentation == AUGMENTATIONS["none"]:
            return batch
        card = cast(EndToEndNetwork, self.objective.model).card
        threads = self.config.workers or self.config.threads
        face = augmented_alike(batch.face, batch.has_face, self.augmentation, card, seed, threads)
        return replace(batch, face=face)

    def item_names(self, indices: list[int]) -> list[str]:
        """Return the recordings of these sequences with their starts."""
        return [self.train.name(index) for index in indices]

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Return the scores over all recordings of the dev partition joined; see `TargetScores`.

        A clip with one label is scored by the mean of its predictions, over steps with a face or a voice.
        """
        targets: list[Target] = [target for target in ORDER if target in self.config.targets]
        scores = TargetScores(targets, self.names)
        for recording in self.dev:
            found = cast(SequenceObjective, objective).predict_recording(recording, device)
            prediction = on_cpu(found.map(lambda x: x[0]))
            if recording.whole_clip:
                has_input = recording.inputs.has_face | recording.inputs.has_voice
                scores.add(mean_of_steps(prediction, has_input), recording.labels.map(lambda x: x[:1]))
            else:
                scores.add(self._undelayed(prediction, recording), recording.labels)
        return scores.result()

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """Write best.safetensors with its card for `weights:` of the model, and beside it those of a backbone.

        For a whole network there is one file; every stage of a pipeline that names the network reads it. Raises
        OutputError.
        """
        model = cast(SequenceObjective, objective).model
        if isinstance(model, CnnRnn):
            save(model.backbone, model.card, folder / BACKBONE)
        undone = f", delay {self.delays} s undone" if any(self.delays) else ""
        means = ", whole clips by the mean of their predictions" if any(r.whole_clip for r in self.dev) else ""
        card = scored_card(self.card, self.config, scores, f"joined{means}{undone}")
        save(model.over_time if isinstance(model, EndToEndNetwork) else model, card, folder / "best.safetensors")

    def scored_partition(self) -> ScoredPartition:
        """Return what the dev partition contains."""
        labels = (recording.labels for recording in self.dev)
        whole_clips = sum(recording.whole_clip for recording in self.dev)
        return ScoredPartition.of(len(self.dev), "recordings", labels, self.names, self.delays, whole_clips)

    def _undelayed(self, prediction: Prediction, recording: Recording) -> Prediction:
        """Return the prediction of a recording (T, ...) with valence and arousal moved to the time of the labels."""
        if prediction.valence_arousal is None or "valence_arousal" not in self.config.targets:
            return prediction
        columns = prediction.valence_arousal.double().numpy().clip(-1, 1).T
        moved = [undo_delay(x, delay, recording.step).values for x, delay in zip(columns, self.delays, strict=True)]
        return with_valence_arousal(prediction, np.column_stack(moved))


@dataclass(frozen=True, eq=False)
class _Setup:
    """What differs between training over features and end to end."""

    created: CreatedModel
    source: InputSource
    names: TargetNames
    augmentation: Augmentation | None
    title: str  # of the progress while inputs are computed


def sequence_task(config: TrainConfig, resume: bool, progress: ReportProgress) -> SequenceTask:
    """Return everything that training a model over time needs; compute the inputs that are not on disk yet.

    Raises ConfigError, DatasetError or WeightsError for anything that cannot work, before the inputs are computed.
    """
    is_end_to_end = config.backbone is not None or kind_of(config.model) != "affect model"
    if is_end_to_end and config.delay == "search":
        raise ConfigError("delay: search needs features, not crops; give seconds, or search without backbone: first")
    corpus, train_examples, dev_examples = read_partitions(config, progress)
    check_start_files(config)
    examples = [*train_examples, *dev_examples]
    setup = _end_to_end(config, examples) if is_end_to_end else _over_features(config, examples)
    model, source, names = setup.created.model, setup.source, setup.names
    make_optimiser(model, config.optimiser)  # raises ConfigError for parts that do not exist
    source.check(examples)
    prepare_output(config, resume, model, source.bytes_needed(examples))
    recordings: list[Recording] = []
    for done, example in enumerate(examples, start=1):
        inputs = source.load(example)
        labels = labels_of(spread(example, inputs.times), config.targets, names)
        recordings.append(Recording(example.id, inputs, labels, example.whole_clip))
        progress(setup.title, done, len(examples))
    train, dev = recordings[: len(train_examples)], recordings[len(train_examples) :]
    if not is_end_to_end:
        _warn_of_missing_inputs(recordings, setup.created.card)
    if _counts_steps(model, config):
        warn_of_other_rate(recordings)
    delays = _delays(config, train, dev)
    if not is_end_to_end and config.weights is None:
        standardise(model, train)
    notes = [_delay_note(delays), ALL_SOUND if is_end_to_end and setup.created.card.inputs.get("voice") else ""]
    card = trained_card(
        setup.created.card,
        corpus,
        config,
        " ".join(filter(None, notes)),
        below=True,
        classes=list(names.classes),
        action_units=list(names.action_units) or setup.created.card.action_units,
        orders=[],
    )
    labels = AffectLabels.merge([r.labels for r in train], torch.cat)
    pos_weight = occurrence_weights(labels.action_units, labels.action_units_valid)
    objective = SequenceObjective(model, config.targets, config.loss, pos_weight)
    sequences = Sequences(train, config.length, config.stride, delays)
    return SequenceTask(objective, sequences, dev, config, names, card, delays, setup.augmentation)


def _over_features(config: TrainConfig, examples: list[Example]) -> _Setup:
    """Set up an affect model over features."""
    cache = FeatureCache(config.pipeline, dict(config.settings), config.output / "features", config.device)
    cache.check(examples)
    names = target_names(config, examples)
    torch.manual_seed(config.seed)
    created = affect_model(config, cache.widths, names)
    card = created.card.model_copy(update={"trained_on": cache.backbones})
    return _Setup(CreatedModel(created.model, card), cache, names, None, "features")


def _end_to_end(config: TrainConfig, examples: list[Example]) -> _Setup:
    """Set up a network that learns from crops and audio."""
    spec = read_pipeline(config.pipeline, dict(config.settings) or None)
    folder = config.output / "crops"
    torch.manual_seed(config.seed)
    names = target_names(config, examples)
    if kind_of(config.model) == "affect model":
        assert config.backbone is not None
        audio = AudioCache(spec, False, folder, config.device) if has_voice_features(spec) else None
        created = cnn_rnn(config, config.backbone, audio.card if audio else None, names)
    else:
        created = whole_network(config, names)
        reads_voice = "voice" in created.card.inputs
        audio = AudioCache(spec, True, folder, config.device) if reads_voice else None
    network = cast(EndToEndNetwork, created.model)
    if network.num_face:
        source = ClipCache(spec, network.card, audio, folder, config.device)
    else:
        assert audio is not None, "a network reads faces, or audio, or both"
        source = AudioOnlyCache(audio)
    return _Setup(created, source, names, config.augmentation, "crops")


def _delays(config: TrainConfig, train: list[Recording], dev: list[Recording]) -> Delays:
    """Return the seconds by which labels of valence and of arousal are moved earlier, as configured or searched.

    0 if all labels are of whole clips.
    """
    if "valence_arousal" not in config.targets or all(r.whole_clip for r in (*train, *dev)):
        return NO_DELAY
    if config.delay == "search":
        return search_delays(train, dev)
    if isinstance(config.delay, dict):
        return config.delay.get("valence", 0.0), config.delay.get("arousal", 0.0)
    return float(config.delay), float(config.delay)


def _delay_note(delays: Delays) -> str:
    """Return a sentence for the card about moved labels; empty without a delay."""
    if not any(delays):
        return ""
    moved = " and ".join(f"{kind} by {delay:g} s" for kind, delay in zip(DIMENSIONS, delays, strict=True))
    return f"Labels of {moved} were moved earlier: predictions come earlier than ratings by as much."


def _warn_of_missing_inputs(recordings: list[Recording], card: Card) -> None:
    """Warn of recordings without any face, or without a voice, at the steps of their labels, if the model reads it."""
    for modality, lack in (("face", "no face"), ("voice", "no audio, or no speech in it,")):
        present = [r.inputs.has_face if modality == "face" else r.inputs.has_voice for r in recordings]
        empty = [r.id for r, steps in zip(recordings, present, strict=True) if not steps.any()]
        if card.inputs.get(modality) and empty:
            count = f"{len(empty)} of {counted(len(recordings), 'recording')}"
            message = f"{lack} at any labelled step of {count}: {shortened(empty)}"
            warnings.warn(message, AvferWarning, stacklevel=2)


def _counts_steps(model: nn.Module, config: TrainConfig) -> bool:
    """Return whether a model has a memory that counts steps, and does not read the seconds between them."""
    over_time = model.over_time if isinstance(model, EndToEndNetwork) else cast(AffectModel, model)
    if over_time.causal:
        return over_time.start(1).shape[1] > 0
    return config.model_options.get("time") != "transformer"


def warn_of_other_rate(recordings: list[Recording]) -> None:
    """Warn if labels with times, which a network over time learns from, come at another rate than pipeline rows."""
    timed = [r for r in recordings if len(r) > 1 and not r.whole_clip]
    steps = [(r.step, r.inputs.row_step) for r in timed if math.isfinite(r.inputs.row_step)]
    if not steps:
        return
    label_step, row_step = (float(np.median(column)) for column in zip(*steps, strict=True))
    ratio = label_step / row_step
    if max(ratio, 1 / ratio) > SAME_RATE:
        slower = (
            f"predict with --set frames.fps={1 / label_step:.3g} --set tracks.max_gap={max(0.5, 2 * label_step):.3g}, "
        )
        message = (
            f"labels come every {label_step:.2g} s, but the pipeline predicts every {row_step:.2g} s. The network over"
            " time counts steps, so it will predict less well than it scores here: label every frame (interpolate),"
            f" {slower if ratio > 1 else ''}or take model_options: {{time: transformer}}"
        )
        warnings.warn(message, AvferWarning, stacklevel=2)
