"""identify_persons: the same number for the same person throughout a clip, after cuts and absences too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.engine import Engine, face_predictor
from avfer.models.network import FaceNetwork, construct, find_network, normalised
from avfer.models.prediction import Prediction
from avfer.models.weights import load_into, locate, sha256
from avfer.option_types import Count, Number, check_options, option_errors
from avfer.rows import concat, select
from avfer.signal.appearance import appearance
from avfer.signal.geometry import ARCFACE, inverse, similarity, warp
from avfer.stages.buffers import FrameBuffer
from avfer.types import FaceTracks, FrameBatch

SAMPLES = 2  # faces of a new track that are looked at
COLOUR_WEIGHT = 0.5  # of the overlap of the colours, in [0, 1], beside the cosine of the embeddings
SLOWEST = 8.0  # times `every`, between two later looks of a long track
MAX_EXEMPLARS = 8  # looks of a person that are remembered
MAX_PERSONS = 256  # that are remembered; the one who was absent longest is forgotten first
MAX_TRACKS = 4096  # whose person is remembered, likewise


@dataclass(frozen=True, eq=False)
class Person:
    """The remembered looks of a person."""

    id: int  # number of the person
    embeddings: np.ndarray  # (M, D) float32 of length 1
    colours: np.ndarray  # (M, 512) float32 histograms, square roots of the shares
    last: int  # frame on which the person was looked at last

    def likeness(self, embedding: np.ndarray, colours: np.ndarray) -> float:
        """Return the likeness of the most similar look: cosine + COLOUR_WEIGHT x overlap.   (D,), (512,)"""
        return float((self.embeddings @ embedding + COLOUR_WEIGHT * (self.colours @ colours)).max())

    def remember(self, embedding: np.ndarray, colours: np.ndarray, frame: int) -> "Person":
        """Return the person with another look; of too many, the one most like the others is dropped.

        embedding: (D,); colours: (512,); frame: index of the frame of the look.
        """
        embeddings, histograms = np.vstack([self.embeddings, embedding]), np.vstack([self.colours, colours])
        if len(embeddings) > MAX_EXEMPLARS:
            alike = embeddings @ embeddings.T + COLOUR_WEIGHT * histograms @ histograms.T
            keep = np.arange(len(embeddings)) != (alike - 9.0 * np.eye(len(alike))).max(0).argmax()
            embeddings, histograms = embeddings[keep], histograms[keep]
        return replace(self, embeddings=embeddings, colours=histograms, last=frame)


@dataclass(frozen=True)
class IdentityState:
    """Frames and rows that are not output yet, the persons so far, and who the visible tracks are."""

    frames: FrameBuffer = field(default_factory=FrameBuffer)  # that wait for their rows
    rows: FaceTracks | None = None
    persons: Mapping[int, Person] = field(default_factory=dict[int, Person])
    tracks: Mapping[int, int] = field(default_factory=dict[int, int])  # track -> person
    # Track -> s, time of its next look, and s from there to the one after it.
    due: Mapping[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    next_id: int = 0  # number of the next new person


@dataclass
class IdentifyPersons:
    """Number the persons of a clip: a track that begins gets the number of the person it shows, or a new one.

    A new track is compared by SAMPLES of its faces from the next `ahead` frames with the looks of all persons so far,
    except those who are visible beside it. The likeness is the cosine of the embeddings plus half the overlap of the
    colours of face and hair; from `min_likeness` on it is the same person. After `every` seconds another look of each
    visible person is remembered, and further ones after gaps that double, up to 8 times `every`. Where a track begins,
    rows are output up to `ahead` frames late, and never change afterwards.

    The network has nothing to do with the one that reads expressions, so training that one anew moves no number.
    """

    backbone: str = "identity_lite"  # name in the catalog, or "package.module:Name" of a FaceNetwork
    weights: str = "builtin"  # "builtin", a path, or a URL with its sha256
    min_likeness: Annotated[Number, Field(ge=-1, le=1 + COLOUR_WEIGHT)] = 1.0  # fits identity_lite
    ahead: Annotated[Count, Field(ge=0, le=100)] = 6  # frames; as many are kept in memory
    every: Annotated[Number, Field(ge=0.04, le=3600)] = 1.5  # seconds to the first further look of a track
    engine: Engine = "torch"  # that runs the network: torch, or on a CPU onnx (ONNX Runtime), if the network allows it
    engine_used: Engine = field(default="torch", init=False, repr=False)  # set by load()
    card: Card = field(init=False, repr=False)  # of the weights
    _path: Path = field(init=False, repr=False)
    _predictor: Callable[[Tensor], Prediction] | None = field(default=None, init=False, repr=False)
    _device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        with option_errors("backbone"):
            find_network(self.backbone, FaceNetwork)
        self._path, self.card = locate(self.backbone, self.weights)
        if not self.card.size:
            raise ConfigError(f"backbone: the card of {self.backbone} states no size of its crops (size)")

    def files(self) -> dict[str, str]:
        """Return the sha256 of the weight file by its name."""
        return {self._path.name: sha256(self._path)}

    def load(self, device: torch.device) -> None:
        """Build the network on a device and load its weights."""
        network = construct(self.backbone, FaceNetwork, self.card.options)
        load_into(network, self._path, self.card)
        network.eval().requires_grad_(False).to(device)
        assert self.card.size, "checked when the stage was created"
        self._predictor, self.engine_used = face_predictor(self.backbone, network, self.card.size, self.engine, device)
        self._device = device

    def start(self) -> IdentityState:
        """Return the state without persons."""
        return IdentityState()

    @torch.inference_mode()
    def step(self, state: IdentityState, frames: FrameBatch, tracks: FaceTracks) -> tuple[IdentityState, FaceTracks]:
        """Return the tracked rows with `person_ids`, up to a track that began on the last `ahead` frames."""
        rows = tracks if state.rows is None else concat([state.rows, tracks])
        state = replace(state, frames=state.frames.add(frames))
        clock = rows.clock
        stop, settled = clock.stop, clock.stop if clock.last else clock.stop - self.ahead
        persons = np.zeros(len(rows), np.int64)
        for frame in np.unique(rows.frames).tolist():
            here = np.flatnonzero(rows.frames == frame)
            if frame >= settled and any(track not in state.tracks for track in rows.track_ids[here].tolist()):
                stop = frame  # the faces of a new track that follow are not there yet
                break
            state = self._name_new_tracks(state, rows, here)
            state = self._look_again(state, rows, here)
            persons[here] = [state.tracks[track] for track in rows.track_ids[here].tolist()]
        done = rows.frames < stop
        output = replace(select(rows, done, clock.part(clock.first, stop)), person_ids=persons[done])
        waiting = select(rows, ~done, clock.part(stop, clock.stop))
        return replace(state, frames=state.frames.since(stop), rows=waiting), output

    def _name_new_tracks(self, state: IdentityState, rows: FaceTracks, here: np.ndarray) -> IdentityState:
        """Give a person to every track that begins on a frame.   here: rows of the frame"""
        new = [row for row in here.tolist() if int(rows.track_ids[row]) not in state.tracks]
        if not new:
            return state
        frame = int(rows.frames[new[0]])
        looks, blocked = [], []
        for row in new:
            window = np.flatnonzero((rows.track_ids == rows.track_ids[row]) & (rows.frames <= frame + self.ahead))
            chosen = np.unique(np.linspace(0, len(window) - 1, SAMPLES).round().astype(int))
            looks.append(self._looks(state, rows, window[chosen]))
            beside = rows.track_ids[np.isin(rows.frames, rows.frames[window])]
            blocked.append({state.tracks[track] for track in beside.tolist() if track in state.tracks})
        known = list(state.persons.values())
        excess = np.zeros((len(new), len(known)))
        for i, samples in enumerate(looks):
            embedding, colours = (_unit(np.mean(part, 0)) for part in zip(*samples, strict=True))
            for j, person in enumerate(known):
                if person.id not in blocked[i]:
                    excess[i, j] = max(person.likeness(embedding, colours) - self.min_likeness, 0.0)
        pairs = zip(*linear_sum_assignment(-excess), strict=True)
        same = {int(i): known[j].id for i, j in pairs if excess[i, j] > 0}
        persons, tracks, due, next_id = dict(state.persons), dict(state.tracks), dict(state.due), state.next_id
        for i, row in enumerate(new):
            number = same.get(i, next_id)
            next_id = max(next_id, number + 1)
            track = int(rows.track_ids[row])
            tracks[track], due[track] = number, (float(rows.times[row]) + self.every, self.every * 2)
            for embedding, colours in looks[i]:
                persons[number] = _remember(persons.get(number), number, embedding, colours, frame)
        persons = dict(sorted(persons.items(), key=lambda item: item[1].last)[-MAX_PERSONS:])
        due = dict(sorted(due.items(), key=lambda item: item[1][0])[-MAX_TRACKS:])
        tracks = {track: tracks[track] for track in due}
        return replace(state, persons=persons, tracks=tracks, due=due, next_id=next_id)

    def _look_again(self, state: IdentityState, rows: FaceTracks, here: np.ndarray) -> IdentityState:
        """Remember another look of the persons on a frame for whom one is due."""
        persons, due = dict(state.persons), dict(state.due)
        for row in here.tolist():
            track, time = int(rows.track_ids[row]), float(rows.times[row])
            next_time, gap = due[track]
            if time < next_time:
                continue
            number = state.tracks[track]
            embedding, colours = self._looks(state, rows, np.array([row]))[0]
            persons[number] = _remember(persons.get(number), number, embedding, colours, int(rows.frames[row]))
            due[track] = time + gap, min(gap * 2, SLOWEST * self.every)
        return replace(state, persons=persons, due=due)

    def _looks(self, state: IdentityState, rows: FaceTracks, chosen: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return embedding and colours of some faces: (D,) and (512,) float32, both of length 1.

        chosen: (N,) int64 rows of one track. They are one batch: their number depends on the track alone, and the last
        bits of a network depend on the shape of its batch.
        """
        assert self._predictor is not None and self.card.size, "load() must be called first"
        target = np.array(self.card.template or ARCFACE) * self.card.size
        pictures = [state.frames.picture(int(frame)) for frame in rows.frames[chosen]]
        to_picture = inverse(similarity(rows.landmarks[chosen], target))
        crops = [warp(picture, part, self.card.size) for picture, part in zip(pictures, to_picture, strict=True)]
        pixels = normalised(self.card, torch.stack(crops).to(self._device).permute(0, 3, 1, 2))
        features = self._predictor(pixels).features
        assert features is not None, "face networks return features"
        found = zip(features.float().cpu().numpy(), pictures, rows.landmarks[chosen], strict=True)
        return [(_unit(vector), np.sqrt(appearance(picture, points).colours)) for vector, picture, points in found]


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector with length 1; zeros stay zeros."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _remember(person: Person | None, number: int, embedding: np.ndarray, colours: np.ndarray, frame: int) -> Person:
    """Return a person, new if None, with another look."""
    if person is None:
        return Person(number, embedding[None], colours[None], frame)
    return person.remember(embedding, colours, frame)
