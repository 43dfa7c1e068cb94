"""A pipeline at work: the stages run over a clip chunk by chunk, decoding one chunk ahead."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from avfer import stage as stages
from avfer.affect_track import AffectTrack, Provenance
from avfer.config import PipelineSpec, read_pipeline
from avfer.errors import ConfigError, unknown
from avfer.media import Media, probe
from avfer.types import Clip, Span
from avfer.wiring import build

CHUNK_BYTES = 48_000_000  # of pixels in one chunk at most; larger pictures make shorter chunks


class Pipeline:
    """A checked pipeline with its networks loaded; one can work on many clips, one after another."""

    def __init__(self, spec: PipelineSpec, device: str = "auto") -> None:
        self.spec = spec
        self.name = spec.name
        self.steps = build(spec)
        self.device = choose_device(device)
        for step in self.steps:
            if isinstance(step.stage, stages.OwnsNetwork):
                step.stage.load(self.device)

    @property
    def files(self) -> dict[str, str]:
        """Every weight file in use with its sha256."""
        found: dict[str, str] = {}
        for step in self.steps:
            found |= step.stage.files() if hasattr(step.stage, "files") else {}
        return found

    def provenance(self, media: Media) -> Provenance:
        """Where the rows of a clip come from, for the table's metadata."""
        return Provenance(
            clip=media.path.name,
            pipeline=self.spec.text,
            pipeline_sha256=self.spec.sha256,
            weights=self.files,
            device=str(self.device),
            stream=media.facts(),
        )

    def run(self, path: str | Path) -> AffectTrack:
        """All rows of a clip. Raises MediaError where the file cannot be read."""
        parts = list(self.stream(path))
        return AffectTrack.concat(parts)

    def stream(self, path: str | Path) -> Iterator[AffectTrack]:
        """The rows of a clip, chunk by chunk, in bounded memory."""
        media = probe(Path(path))
        source = self.provenance(media)
        states = {step.name: stages.start(step.stage) for step in self.steps if not step.is_source}
        for values in self._decoded_ahead(media):
            with _quiet_torch(self.spec.threads):
                for step in self.steps:
                    if not step.is_source:
                        inputs = [values[name] for name in step.inputs]
                        states[step.name], values[step.name] = stages.run(step.stage, states[step.name], inputs)
                        del inputs
                    for name in step.frees:
                        del values[name]
            part = values.pop(self.spec.output)
            yield replace(part, source=source)
            if part.clock.last:
                return

    def _decoded_ahead(self, media: Media) -> Iterator[dict[str, Any]]:
        """What the sources give for one span after another, decoded by a thread of its own, one span ahead."""
        ready: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(maxsize=1)
        stopped = threading.Event()

        def put(item: dict[str, Any] | BaseException) -> None:
            while not stopped.is_set():
                with suppress(queue.Full):
                    ready.put(item, timeout=0.05)
                    return

        def decode() -> None:
            try:
                for values in self._sources(media):
                    put(values)
                    del values
                    if stopped.is_set():
                        return
            except BaseException as error:  # told to the reader, who raises it
                put(error)

        thread = threading.Thread(target=decode, name="avfer-decode", daemon=True)
        thread.start()
        try:
            while True:
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                del item
        finally:
            stopped.set()
            thread.join()

    def _sources(self, media: Media) -> Iterator[dict[str, Any]]:
        sources = [step for step in self.steps if step.is_source]
        states = {step.name: stages.start(step.stage) for step in sources}
        clip, length, count = Clip(media.path), self._span_length(media), 0
        while True:
            span = Span(clip, count * length, (count + 1) * length)
            values: dict[str, Any] = {"span": span}
            for step in sources:
                states[step.name], values[step.name] = stages.run(step.stage, states[step.name], [span])
            yield values
            count += 1

    def _span_length(self, media: Media) -> float:
        video = media.video
        if video is None:
            return self.spec.chunk
        rate = video.width * video.height * 3 * max(video.fps or 0.0, 25.0)
        return min(self.spec.chunk, CHUNK_BYTES / rate)


def load(name: str | Path, device: str = "auto", **options: Any) -> Pipeline:
    """A pipeline by the name of a bundled one or the path of a YAML, ready to run.

    `options` override the YAML: `load("aver", **{"tracks.max_gap": 1.0})`. Raises ConfigError, WeightsError or
    MissingExtra before any frame is decoded.
    """
    return Pipeline(read_pipeline(name, options), device)


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, then Apple's MPS, then the CPU; a device that is not there is a ConfigError."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind = name.partition(":")[0]
    if kind not in there:
        raise ConfigError(unknown("device", name, ("auto", *there)))
    if not there[kind]:
        raise ConfigError(f"this machine has no device '{name}'; --device auto takes the best there is")
    return torch.device(name)


@contextmanager
def _quiet_torch(threads: int) -> Generator[None]:
    """Inference with a fixed number of threads: how many there are must not change the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
