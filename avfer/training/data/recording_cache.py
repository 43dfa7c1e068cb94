"""What is computed from recordings once and kept on disk for training, and the parts of a pipeline that compute it.

A cache is a folder in the output of a training run. Files of a recording are computed again if the recording, a stage
of the pipeline, an option or a weight file changes.
"""

import hashlib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from avfer.atomic import atomic_write
from avfer.catalog import find
from avfer.datasets.example import Example
from avfer.errors import ConfigError, DatasetError, MediaError, counted, shortened
from avfer.media import probe
from avfer.pipeline_config import PipelineSpec, StageSpec
from avfer.stages.embed_voice import EmbedVoice


class SequenceInputs(Protocol):
    """The inputs of a model at the T steps of an example."""

    @property
    def times(self) -> np.ndarray:
        """Return the time of each step, (T,) float64 s."""
        ...

    @property
    def row_step(self) -> float:
        """Return the seconds between two rows of the pipeline, NaN if they are unknown."""
        ...

    @property
    def has_face(self) -> np.ndarray:
        """Return whether each step has a face, (T,) bool."""
        ...

    @property
    def has_voice(self) -> np.ndarray:
        """Return whether each step has audio, (T,) bool."""
        ...

    def __len__(self) -> int:
        """Return T."""
        ...

    def slice(self, steps: slice) -> dict[str, np.ndarray]:
        """Return the inputs at t steps by the names of `SequenceBatch`: "face" (t, ...), "voice" (t, D), ..."""
        ...


class InputSource(Protocol):
    """Loads the inputs of examples, or computes them on the first use."""

    def check(self, examples: list[Example]) -> None:
        """Raise DatasetError if recordings whose inputs are not in the cache yet cannot be read."""
        ...

    def bytes_needed(self, examples: list[Example]) -> int:
        """Return the size of the face crops that are still to be written to the disk."""
        ...

    def load(self, example: Example) -> SequenceInputs:
        """Return the inputs at the steps of an example. Raises DatasetError, MediaError, OutputError."""
        ...


@dataclass(frozen=True)
class RecordingCache:
    """Files in a folder, named after the recording and everything that computed them."""

    folder: Path
    key: str  # digest of everything that computes the files: stages, options, weights

    def path(self, suffix: str, *media: Path | None) -> Path:
        """Return the file for a recording; its name changes with size and modification time of the media.

        media: the files of the recording, the first not None; suffix: such as ".npz".
        """
        digest, files = hashlib.sha256(self.key.encode()), [file for file in media if file is not None]
        for file in files:
            stat = file.stat()
            digest.update(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode())
        return self.folder / f"{files[0].stem}-{digest.hexdigest()[:16]}{suffix}"

    @contextmanager
    def write(self, path: Path) -> Generator[BinaryIO]:
        """Open a file of the cache for writing, which appears completely or not at all. Raises OutputError."""
        with (
            atomic_write(path, "free some disk space, or choose another folder: --set output=DIR") as part,
            part.open("wb") as file,
        ):
            yield file


def check_media(examples: Iterable[Example]) -> None:
    """Raise DatasetError if recordings have no media or unreadable media; count all, name the first few."""
    faults: list[str] = []
    for example in examples:
        media = [path for path in dict.fromkeys((example.video, example.audio)) if path is not None]
        if not media and any(example.pictures):
            raise DatasetError(f"{example.id} has images only: train a face network, or set backbone:")
        if not media:
            faults.append(f"{example.id} has labels but no video and no audio")
        for path in media:
            try:
                probe(path)
            except MediaError as error:
                faults.append(str(error))
    if faults:
        listed = shortened(faults, separator="; ")
        count = counted(len(faults), "unreadable recording")
        raise DatasetError(f"{count}: {listed}. Copy the files again, or remove their labels")


def has_voice_features(spec: PipelineSpec) -> bool:
    """Return whether a pipeline has a stage that embeds the voice."""
    return any(find("stage", stage.use) is EmbedVoice for stage in spec.stages)


def stage_of(spec: PipelineSpec, kind: type) -> StageSpec:
    """Return the first stage of a class in a pipeline. Raises ConfigError if there is none."""
    for stage in spec.stages:
        if find("stage", stage.use) is kind:
            return stage
    names = [name for name in ("embed_faces", "embed_voice") if find("stage", name) is kind]
    raise ConfigError(f"{spec.where} has no stage {names[0]}, which gives the network its input; add it")


def up_to(spec: PipelineSpec, last: StageSpec) -> PipelineSpec:
    """Return the part of a pipeline that `last` needs, with `last` in place of its stage of that name, as output."""
    needed, stages = {last.name, *last.inputs}, [last]
    for stage in reversed(spec.stages):
        if stage.name in needed and stage.name != last.name:
            needed.update(stage.inputs)
            stages.insert(0, stage)
    return replace(spec, stages=tuple(stages), output=last.name)
