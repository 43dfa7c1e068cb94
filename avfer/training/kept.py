"""What is made of recordings once and kept on disk, by the stages of a pipeline up to one of them."""

import hashlib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from avfer.catalog import find
from avfer.datasets.example import Example
from avfer.errors import ConfigError, DatasetError, MediaError, OutputError
from avfer.media import probe
from avfer.pipeline_config import PipelineSpec, StageSpec
from avfer.stages.embed_voice import EmbedVoice

SHOWN = 5  # faults that a message lists


@dataclass(frozen=True)
class Kept:
    """Files in a folder, named after the recordings that they are of and what made them."""

    folder: Path
    key: str  # of all that made them

    def path(self, ending: str, *media: Path | None) -> Path:
        """The file of a recording: another one where the recording has changed."""
        digest, names = hashlib.sha256(self.key.encode()), [file for file in media if file is not None]
        for file in names:
            stat = file.stat()
            digest.update(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode())
        return self.folder / f"{names[0].stem}-{digest.hexdigest()[:16]}{ending}"

    @contextmanager
    def whole(self, path: Path) -> Generator[BinaryIO]:
        """Open a file for writing that appears whole or not at all; OutputError where the disk is full."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                yield file
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"{path} cannot be written: {error}; choose another output:") from error


def check_media(examples: Iterable[Example]) -> None:
    """DatasetError where recordings have no media, or such as cannot be read: all are counted, the first ones named."""
    faults: list[str] = []
    for example in examples:
        media = [path for path in dict.fromkeys((example.video, example.audio)) if path is not None]
        if not media and example.pictures:
            raise DatasetError(f"{example.id} is of pictures alone; those are read by face networks, or by backbone:")
        if not media:
            faults.append(f"{example.id} has labels but no video and no sound")
        for path in media:
            try:
                probe(path)
            except MediaError as error:
                faults.append(str(error))
    if faults:
        told = "; ".join(faults[:SHOWN]) + ("; ..." if len(faults) > SHOWN else "")
        raise DatasetError(f"{len(faults)} fault(s) of media: {told}. Copy them again, or take their labels out")


def listens(spec: PipelineSpec) -> bool:
    """Whether a pipeline has features of the voice."""
    return any(find("stage", line.use) is EmbedVoice for line in spec.stages)


def line_of(spec: PipelineSpec, kind: type) -> StageSpec:
    """The first stage of a kind; ConfigError where a pipeline has none."""
    for line in spec.stages:
        if find("stage", line.use) is kind:
            return line
    names = [name for name in ("embed_faces", "embed_voice") if find("stage", name) is kind]
    raise ConfigError(f"{spec.where} has no stage {names[0]}, so nothing tells what the network is given")


def up_to(spec: PipelineSpec, last: StageSpec) -> PipelineSpec:
    """The stages that a line needs, and that line (which may differ from the pipeline's own of that name) as output."""
    needed, lines = {last.name, *last.inputs}, [last]
    for line in reversed(spec.stages):
        if line.name in needed and line.name != last.name:
            needed.update(line.inputs)
            lines.insert(0, line)
    return replace(spec, stages=tuple(lines), output=last.name)
