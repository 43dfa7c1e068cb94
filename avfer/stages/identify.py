"""identify_persons: the same number for the same person throughout a clip, after cuts and absences too."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from avfer.errors import ConfigError
from avfer.option_types import Count, Number, check_options
from avfer.rows import concat, select
from avfer.signal.appearance import face_colours
from avfer.signal.geometry import ARCFACE, best_pairs, inverse, similarity, warp
from avfer.stages.buffers import FrameBuffer
from avfer.stages.face_network_stage import FaceNetworkStage
from avfer.types import FaceTracks, FrameBatch

NEW_LOOKS = 2  # looks of a new track by which its person is recognised
COLOUR_WEIGHT = 0.5  # of the overlap of the colours, in [0, 1], beside the cosine of the embeddings
LONGEST_GAP = 8.0  # between two looks of one track, in units of `every`
MAX_LOOKS = 8  # looks of a person that are remembered
BATCH = 32  # faces in one forward pass
MAX_PERSONS = 256  # that are remembered; the one who was absent longest is forgotten first
MAX_TRACKS = 4096  # whose person is remembered, likewise


@dataclass(frozen=True, eq=False)
class Look:
    """A face of a person on one frame, by which the person is recognised later.

    Its embedding is computed only when a new track may show this person.
    """

    colours: np.ndarray  # (512,) float32 histogram, square roots of the shares
    crop: Tensor | None  # (S, S, 3) uint8 RGB, aligned; None once the embedding is computed
    embedding: np.ndarray | None = None  # (D,) float32 of length 1


@dataclass(frozen=True, eq=False)
class Person:
    """The remembered looks of a person."""

    id: int  # number of the person
    looks: tuple[Look, ...]  # at most MAX_LOOKS
    last: int  # frame of the newest look

    def likeness(self, embedding: np.ndarray, colours: np.ndarray) -> float:
        """Return the likeness of the most similar look: cosine + COLOUR_WEIGHT x overlap.   (D,), (512,)"""
        embeddings, histograms = _stacked(self.looks)
        return float((embeddings @ embedding + COLOUR_WEIGHT * (histograms @ colours)).max())


@dataclass(frozen=True)
class IdentityState:
    """Frames and rows that are not output yet, the persons so far, and the person of each track."""

    frames: FrameBuffer = field(default_factory=FrameBuffer)  # that wait for their rows
    rows: FaceTracks | None = None
    persons: Mapping[int, Person] = field(default_factory=dict[int, Person])
    tracks: Mapping[int, int] = field(default_factory=dict[int, int])  # track -> person
    # Track -> (time of its next look in s, seconds from that one to the one after it)
    due: Mapping[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    next_id: int = 0  # number of the next new person


@dataclass
class IdentifyPersons(FaceNetworkStage):
    """Number the persons of a clip: a track that begins gets the number of the person it shows, or a new one.

    A new track is compared, by two of its faces on the next `ahead` frames, with the remembered faces ("looks") of all
    persons so far, except those who are visible beside it. The likeness is the cosine of the embeddings plus half
    the overlap of the colours of face and hair; from `min_likeness` on it is the same person. After `every` seconds
    another look of each visible person is remembered, and further ones after gaps that double, up to 8 times `every`.
    Where a track begins, rows are output up to `ahead` frames late, and never change afterwards. The network runs only
    where a track begins that may show a person who is not visible beside it; until then the crops of the looks are
    kept.

    The network is independent of the one that reads expressions, so training that one again changes no person number.
    """

    backbone: str = "identity_lite"  # name in the catalog, or "package.module:Name" of a FaceNetwork
    min_likeness: Annotated[Number, Field(ge=-1, le=1 + COLOUR_WEIGHT)] = 1.0  # lowest for one person (identity_lite)
    ahead: Annotated[Count, Field(ge=0, le=100)] = 6  # frames by which a new track is identified; as many are in memory
    every: Annotated[Number, Field(ge=0.04, le=3600)] = 1.5  # seconds to the first further look of a track

    def __post_init__(self) -> None:
        check_options(self)
        super().__post_init__()
        if not (self.card.size and self.card.mean):
            raise ConfigError(f"backbone: the card of {self.backbone} must state size, mean and std of its crops")

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
        persons, track_ids, times = np.zeros(len(rows), np.int64), rows.track_ids.tolist(), rows.times.tolist()
        frames_with_faces, starts = np.unique(rows.frames, return_index=True)
        edges = zip(frames_with_faces.tolist(), pairwise([*starts.tolist(), len(rows)]), strict=True)
        for frame, (first, last) in edges:
            here = range(first, last)
            if any(track_ids[row] not in state.tracks for row in here):
                if frame >= settled:
                    stop = frame  # the faces of a new track that follow are not there yet
                    break
                state = self._name_new_tracks(state, rows, here)
            if any(times[row] >= state.due[track_ids[row]][0] for row in here):
                state = self._look_again(state, rows, here)
            persons[first:last] = [state.tracks[track_ids[row]] for row in here]
        done = rows.frames < stop
        output = replace(select(rows, done, clock.part(clock.first, stop)), person_ids=persons[done])
        waiting = select(rows, ~done, clock.part(stop, clock.stop))
        return replace(state, frames=state.frames.since(stop), rows=waiting), output

    def _name_new_tracks(self, state: IdentityState, rows: FaceTracks, here: range) -> IdentityState:
        """Give a person to every track that begins on a frame, at least one.   here: rows of the frame"""
        new = [row for row in here if int(rows.track_ids[row]) not in state.tracks]
        frame = int(rows.frames[new[0]])
        looks, blocked = [], []
        for row in new:
            window = np.flatnonzero((rows.track_ids == rows.track_ids[row]) & (rows.frames <= frame + self.ahead))
            chosen = np.unique(np.linspace(0, len(window) - 1, NEW_LOOKS).round().astype(int))
            looks.append(self._looks(state, rows, window[chosen]))
            beside = rows.track_ids[np.isin(rows.frames, rows.frames[window])]
            blocked.append({state.tracks[track] for track in beside.tolist() if track in state.tracks})
        persons, same = self._recognise(state.persons, looks, blocked)
        tracks, due, next_id = dict(state.tracks), dict(state.due), state.next_id
        for i, row in enumerate(new):
            number = same.get(i, next_id)
            next_id = max(next_id, number + 1)
            track = int(rows.track_ids[row])
            tracks[track], due[track] = number, (float(rows.times[row]) + self.every, self.every * 2)
            persons[number] = self._remember(persons.get(number), number, looks[i], frame)
        persons = dict(sorted(persons.items(), key=lambda item: item[1].last)[-MAX_PERSONS:])
        due = dict(sorted(due.items(), key=lambda item: item[1][0])[-MAX_TRACKS:])
        tracks = {track: tracks[track] for track in due}
        return replace(state, persons=persons, tracks=tracks, due=due, next_id=next_id)

    def _recognise(
        self, persons: Mapping[int, Person], looks: list[list[Look]], blocked: list[set[int]]
    ) -> tuple[dict[int, Person], dict[int, int]]:
        """Return the persons, and by the index of a new track the number of the known person whom it shows, if any.

        looks: of each new track; it gets their embeddings. blocked: numbers of the persons whom each new track cannot
        show. The network runs for persons whom at least one new track may show, and not at all if there are none.
        """
        persons = dict(persons)
        known = [number for number in persons if not all(number in numbers for numbers in blocked)]
        if not known:
            return persons, {}
        found = self._embed([*looks, *(list(persons[number].looks) for number in known)])
        looks[:] = found[: len(looks)]
        for number, remembered in zip(known, found[len(looks) :], strict=True):
            persons[number] = replace(persons[number], looks=most_different(remembered))
        excess = np.zeros((len(looks), len(known)))
        for i, samples in enumerate(looks):
            embedding, colours = (_unit(part.mean(0)) for part in _stacked(samples))
            for j, number in enumerate(known):
                if number not in blocked[i]:
                    excess[i, j] = max(persons[number].likeness(embedding, colours) - self.min_likeness, 0.0)
        return persons, {i: known[j] for i, j in best_pairs(excess) if excess[i, j] > 0}

    def _look_again(self, state: IdentityState, rows: FaceTracks, here: range) -> IdentityState:
        """Remember another look of the persons on a frame for whom one is due."""
        persons, due = dict(state.persons), dict(state.due)
        for row in here:
            track, time = int(rows.track_ids[row]), float(rows.times[row])
            next_time, gap = due[track]
            if time < next_time:
                continue
            number = state.tracks[track]
            look = self._looks(state, rows, np.array([row]))
            persons[number] = self._remember(persons.get(number), number, look, int(rows.frames[row]))
            due[track] = time + gap, min(gap * 2, LONGEST_GAP * self.every)
        return replace(state, persons=persons, due=due)

    def _remember(self, person: Person | None, number: int, looks: list[Look], frame: int) -> Person:
        """Return a person, new if None, with further looks; if they are too many, with the most different ones."""
        remembered = looks if person is None else [*person.looks, *looks]
        if len(remembered) > MAX_LOOKS:
            remembered = most_different(self._embed([remembered])[0])
        return Person(number, tuple(remembered), frame)

    def _looks(self, state: IdentityState, rows: FaceTracks, chosen: np.ndarray) -> list[Look]:
        """Return some faces without their embeddings.   chosen: (N,) int64 rows"""
        assert self.card.size, "checked when the stage was created"
        target = np.array(self.card.template or ARCFACE) * self.card.size
        points = rows.landmarks[chosen]
        looks: list[Look] = []
        for row, landmarks, transform in zip(chosen, points, inverse(similarity(points, target)), strict=True):
            picture = state.frames.picture(int(rows.frames[row]))
            colours = np.sqrt(face_colours(picture, landmarks))
            looks.append(Look(colours, warp(picture, transform, self.card.size)))
        return looks

    def _embed(self, groups: list[list[Look]]) -> list[list[Look]]:
        """Return groups of looks with the embeddings of all.

        The batches depend on the tracks alone, not on the chunks: the last bits of a network depend on the shape of
        its batch.
        """
        crops = [look.crop for looks in groups for look in looks if look.crop is not None]
        vectors: list[np.ndarray] = []
        for start in range(0, len(crops), BATCH):
            features = self._predict(torch.stack(crops[start : start + BATCH])).features
            assert features is not None, "face networks return features"
            vectors += [_unit(vector) for vector in features.float().cpu().numpy()]
        new = iter(vectors)
        return [
            [look if look.crop is None else replace(look, crop=None, embedding=next(new)) for look in looks]
            for looks in groups
        ]


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector with length 1; zeros stay zeros."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _stacked(looks: Iterable[Look]) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings (N, D) and colours (N, 512) of N looks that have both."""
    pairs = [(look.embedding, look.colours) for look in looks if look.embedding is not None]
    return np.stack([embedding for embedding, _ in pairs]), np.stack([colours for _, colours in pairs])


def most_different(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Return at most MAX_LOOKS looks: whenever one is too many, the one most like the others is dropped."""
    kept: list[Look] = []
    for look in looks:
        kept.append(look)
        if len(kept) > MAX_LOOKS:
            embeddings, histograms = _stacked(kept)
            alike = embeddings @ embeddings.T + COLOUR_WEIGHT * histograms @ histograms.T
            del kept[(alike - 9.0 * np.eye(len(alike))).max(0).argmax()]  # no look counts as like itself
    return tuple(kept)
