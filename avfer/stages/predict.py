"""predict_affect: valence, arousal, expressions and action units from features of face and voice.

`PredictAffect` is the stage that a YAML names. Its `for_features` returns the stage that runs: itself for causal
models, `PredictAhead` for models that look ahead, `PredictOwnHeads` for the heads of the face backbone.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from avfer.affect_track import AffectTrack
from avfer.catalog import find
from avfer.errors import AvferWarning, ConfigError
from avfer.models.card import Card
from avfer.models.card_files import EMBEDDED
from avfer.models.class_orders import known_orders
from avfer.models.network import AffectModel, construct
from avfer.models.weights import locate, sha256
from avfer.option_types import option_errors
from avfer.rows import concat, select
from avfer.stage import Cards
from avfer.stages.affect_network import OWN, AffectNetwork, check_features, output_columns, warn_if_retrained
from avfer.stages.buffers import BLOCK_FRAMES
from avfer.stages.embed_faces import split_own_outputs
from avfer.types import FaceFeatures, JointFeatures

MAX_ABSENCE = 10.0  # seconds without a row, after which a track starts again without memory


@dataclass(frozen=True, eq=False)
class TrackMemory:
    """The hidden state of each track; the moments without a face are a track of their own (NO_TRACK)."""

    hidden: Mapping[int, Tensor] = field(default_factory=dict[int, Tensor])  # track -> (1, H)
    times: Mapping[int, float] = field(default_factory=dict[int, float])  # track -> s, time of its last row

    def of(self, tracks: list[int], now: float, fresh: Tensor) -> Tensor:
        """Return the hidden states of N tracks at a time (s): (N, H).

        fresh: (1, H), the state of a track without memory: a new one, or one that was absent for MAX_ABSENCE.
        """
        known = [now - self.times.get(track, -np.inf) <= MAX_ABSENCE for track in tracks]
        return torch.cat([self.hidden[t] if is_known else fresh for t, is_known in zip(tracks, known, strict=True)])

    def after(self, tracks: list[int], now: float, hidden: Tensor) -> "TrackMemory":
        """Return the memory with the hidden states (N, H) of N tracks at a time (s)."""
        states = dict(zip(tracks, hidden.split(1), strict=True))
        return TrackMemory({**self.hidden, **states}, {**self.times, **dict.fromkeys(tracks, now)})

    def recent(self) -> "TrackMemory":
        """Return the memory without the tracks that were absent for more than MAX_ABSENCE seconds."""
        newest = max(self.times.values(), default=0.0)
        times = {track: time for track, time in self.times.items() if newest - time <= MAX_ABSENCE}
        return TrackMemory({track: self.hidden[track] for track in times}, times)


@dataclass
class _ModelStage:
    """A stage that runs an affect model of the catalog."""

    model: str  # name in the catalog, or "package.module:Name" of an AffectModel
    weights: str  # "builtin", "research", a path, or a URL with its sha256
    expression: bool = False  # whether rows without a face get expressions too, from the voice alone
    card: Card = field(init=False, repr=False)  # set by load()
    _network: AffectNetwork | None = field(default=None, init=False, repr=False)

    def load(self, device: torch.device) -> None:
        """Build the model on a device and load its weights."""
        self._network = AffectNetwork.load(self.model, self.weights, device, self.expression)
        self.card = self._network.card

    def files(self) -> dict[str, str]:
        """Return the sha256 of the weight file by its name."""
        path = locate(self.model, self.weights)[0]
        return {path.name: sha256(path)}

    def _loaded(self) -> AffectNetwork:
        assert self._network is not None, "load() must be called first"
        return self._network


@dataclass
class PredictAffect(_ModelStage):
    """Predict the affect of each row with a causal model, which has one hidden state per track.

    All tracks of an instant are one batch, so no value depends on the places where the clip was cut. A row without a
    face is predicted from the voice alone, without action units, and without expressions unless `expression: true` or
    the model reads the voice alone; a row without any modality that the model reads is NaN.

    `model: own` uses the heads that come with the face backbone: the affect model that its card names, otherwise the
    outputs of the backbone itself.
    """

    model: str = "gru_lite"  # name in the catalog, "package.module:Name" of an AffectModel, or "own"
    weights: str = "builtin"  # "builtin", "research", a path, or a URL with its sha256

    def __post_init__(self) -> None:
        if self.model == OWN and self.weights != "builtin":
            raise ConfigError(
                f"weights: model: own uses the heads of the face backbone, got {self.weights!r}; name the file at the"
                " backbone's stage"
            )
        if self.model != OWN:
            with option_errors("model"):
                find("affect model", self.model)

    def for_features(self, cards: Cards) -> "PredictAffect | PredictAhead | PredictOwnHeads":
        """Return the stage for features of these networks.

        Raises ConfigError if the model was made for other features, or if the order of its classes is unknown.
        """
        if self.model == OWN:
            return _own_heads(cards)
        card = locate(self.model, self.weights)[1]
        check_class_order(card)
        if not card.inputs:
            remedy = "name a model that reads them (model:, weights:), whose card states their widths (inputs)"
            raise ConfigError(f"{self.model} outputs features only; {remedy}")
        modalities = card.inputs.keys() & cards.keys()
        if not modalities:
            needs, has = " and ".join(name for name in card.inputs if name != "measures"), " and ".join(cards)
            raise ConfigError(f"{self.model} reads features of the {needs}, but gets those of the {has} only")
        for modality in modalities:
            check_features(card, cards[modality], modality)
            if self.weights in EMBEDDED:
                warn_if_retrained(card, cards[modality], modality)
        with torch.device("meta"):
            causal = construct(self.model, AffectModel, card.options).causal
        return self if causal else PredictAhead(self.model, self.weights, self.expression)

    def start(self) -> TrackMemory:
        """Return the state without tracks."""
        return TrackMemory()

    @torch.inference_mode()
    def step(self, state: TrackMemory, features: FaceFeatures | JointFeatures) -> tuple[TrackMemory, AffectTrack]:
        """Return the affect of the rows, in their order."""
        network = self._loaded()
        inputs, times = network.inputs(features), features.faces.times
        rows = np.flatnonzero(network.predictable(inputs))
        index = torch.from_numpy(rows)
        flags = (torch.from_numpy(has[rows]).to(network.device) for has in (inputs.has_face, inputs.has_voice))
        tensors = inputs.face[index], inputs.voice[index], *flags
        tracks, frames = features.faces.track_ids[rows].tolist(), features.faces.frames[rows]
        borders = [0, *(np.flatnonzero(np.diff(frames)) + 1).tolist(), len(rows)]
        columns = [torch.zeros(0, network.width, device=network.device)]
        for first, last in pairwise(borders) if len(rows) else []:  # the rows of one instant
            present, now = tracks[first:last], float(times[rows[first]])
            hidden = state.of(present, now, network.model.start(1))
            prediction, hidden = network.model.step(*(x[first:last].clone() for x in tensors), hidden=hidden)
            state = state.after(present, now, hidden)
            # Per instant, because the last bits of exp depend on the shape.
            columns.append(output_columns(prediction, network.card.temperature))
        values = np.full((len(times), network.width), np.nan, np.float32)
        values[rows] = torch.cat(columns).cpu().numpy()
        return state.recent(), network.to_track(features, values)


@dataclass(frozen=True, eq=False)
class WaitingRows:
    """Rows that were not output yet, and the rows before them that the model reads to predict them."""

    rows: FaceFeatures | JointFeatures | None = None  # None for no row
    finished: int = 0  # frames that were output


@dataclass
class PredictAhead(_ModelStage):
    """Predict the affect of each row with a model that reads later rows too.

    A block of frames is output once the rows up to `ahead` frames after it are there. For each track of a block the
    model reads the rows from `past` frames before to `ahead` frames after the block. Blocks lie at fixed places in
    the clip, so no value depends on the places where it was cut.
    """

    def start(self) -> WaitingRows:
        """Return the state without rows."""
        return WaitingRows()

    @torch.inference_mode()
    def step(self, state: WaitingRows, features: FaceFeatures | JointFeatures) -> tuple[WaitingRows, AffectTrack]:
        """Return the affect of the blocks that are ready; at the end of the clip, of all remaining rows."""
        network = self._loaded()
        rows = features if state.rows is None else concat([state.rows, features])
        clock, start = rows.clock, state.finished
        ready = (clock.stop - network.model.ahead) // BLOCK_FRAMES * BLOCK_FRAMES
        stop = clock.stop if clock.last else max(start, ready)
        affect = _predict_blocks(network, rows, start, stop)
        kept = max(clock.first, stop - network.model.past)
        waiting = select(rows, rows.faces.frames >= kept, clock.part(kept, clock.stop))
        return WaitingRows(waiting, stop), affect


def _predict_blocks(network: AffectNetwork, rows: FaceFeatures | JointFeatures, start: int, stop: int) -> AffectTrack:
    """Return the affect of the frames from `start` to `stop` (half-open, indices in the clip), block by block.

    Every track of a block is one sequence with the times of its rows in seconds after the first of them.
    """
    inputs = network.inputs(rows)
    predictable = network.predictable(inputs)
    values = np.full((len(predictable), network.width), np.nan, np.float32)
    frames, tracks, times = rows.faces.frames, rows.faces.track_ids, rows.faces.times
    for a in range(start, stop, BLOCK_FRAMES):
        b = min(a + BLOCK_FRAMES, stop)
        block = predictable & (frames >= a) & (frames < b)
        reached = predictable & (frames >= a - network.model.past) & (frames < b + network.model.ahead)
        for track in np.unique(tracks[block]):
            index = np.flatnonzero(reached & (tracks == track))
            at = torch.from_numpy(index).to(network.device)
            flags = (
                torch.from_numpy(has[index]).to(network.device)[None] for has in (inputs.has_face, inputs.has_voice)
            )
            seconds = torch.from_numpy(times[index] - times[index[0]]).float().to(network.device)[None]
            out = network.model.sequence(inputs.face[at][None], inputs.voice[at][None], *flags, times=seconds)
            columns = output_columns(out.map(lambda x: x[0]), network.card.temperature).cpu().numpy()
            values[index[block[index]]] = columns[block[index]]
    chosen = (frames >= start) & (frames < stop)
    part = select(rows, chosen, rows.clock.part(start, stop))
    return network.to_track(part, values[chosen])


@dataclass
class PredictOwnHeads:
    """Return the outputs of the face backbone's own heads as affect; valence and arousal without a head are NaN."""

    card: Card  # of the backbone

    def __post_init__(self) -> None:
        name, card = self.card.name, self.card
        if not (card.valence_arousal or card.classes or card.action_units):
            check_class_order(card)
            raise ConfigError(f"{name} outputs features only; name a model that reads them (model:, weights:)")
        if card.assumed:
            order = f"the expressions of {name} are named in the order of {card.assumed}, which its file does not state"
            warnings.warn(f"{order}; `avfer models import` it with --classes to be sure", AvferWarning, stacklevel=2)

    def __call__(self, features: FaceFeatures) -> AffectTrack:
        """Return the affect of the faces, in their order."""
        assert features.own_outputs is not None, "embed_faces outputs them"
        outputs = features.own_outputs.cpu().numpy()
        valence_arousal, expressions, action_units = split_own_outputs(self.card, outputs)
        return AffectTrack(
            clock=features.clock,
            faces=features.faces,
            valence=valence_arousal[:, 0],
            arousal=valence_arousal[:, 1],
            expressions=expressions,
            classes=tuple(self.card.classes),
            action_units=action_units,
            action_unit_names=tuple(self.card.action_units),
            has_voice=np.zeros(len(outputs), bool),
            reads_voice=False,
        )


def _own_heads(cards: Cards) -> "PredictAffect | PredictAhead | PredictOwnHeads":
    """Return the stage for `model: own`: the model that the backbone's card names, otherwise its own heads.

    Raises ConfigError if there are voice features too, or if the backbone is a video model, which reads features over
    time.
    """
    if "face" not in cards or "voice" in cards:
        raise ConfigError(f"model: {OWN} reads the output of embed_faces, without the voice; name its stage at from:")
    card = cards["face"]
    if card.inputs:
        raise ConfigError(f"{card.name} reads its features over time: name it at model: too, with the same weights")
    return PredictAffect(card.head).for_features(cards) if card.head else PredictOwnHeads(card)


def check_class_order(card: Card) -> None:
    """Raise ConfigError if a network has classes and the order of its weights' classes is unknown."""
    if card.orders and not card.classes:
        raise ConfigError(
            f"the class order of these {card.name} weights is not known; `avfer models import` them:"
            f" {known_orders(card)}"
        )
