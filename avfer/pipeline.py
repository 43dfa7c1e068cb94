"""A pipeline at work: the stages run over a clip chunk by chunk, decoding and detection ahead of the rest."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from avfer import stage as stages
from avfer.affect_track import AffectTrack, Provenance
from avfer.ahead import ahead
from avfer.errors import ConfigError, unknown
from avfer.media import Media, probe
from avfer.memory import give_back_freed_memory
from avfer.pipeline_builder import Phase, Step, build
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.types import Clip, Span

Values = dict[str, Any]  # of one span, by the names of the stages
TRIM_EVERY = 32  # spans
CHUNK_BYTES = 24_000_000  # of pixels in one chunk at most; larger pictures make shorter chunks


class Pipeline:
    """A checked pipeline with its networks loaded; one can work on many clips, one after another.

    A clip passes three threads, a few spans ahead of one another: decoding, the stages that read pictures, and the
    caller's own for the rest.
    """

    def __init__(self, spec: PipelineSpec, device: str = "auto", output: type = AffectTrack) -> None:
        self.spec = spec
        self.name = spec.name
        self.steps = build(spec, output)
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

    def run(self, path: str | Path, sound: Path | None = None) -> AffectTrack:
        """All rows of a clip. Raises MediaError where the file cannot be read."""
        parts = list(self.stream(path, sound))
        return AffectTrack.concat(parts)

    def stream(self, path: str | Path, sound: Path | None = None) -> Iterator[AffectTrack]:
        """The rows of a clip, chunk by chunk, in bounded memory; `sound` names the file of its sound, if it is another.

        A sound file of its own begins with the first frame.
        """
        media = probe(Path(path))
        source = self.provenance(media)
        with closing(self.values(Clip(media.path, sound), media)) as parts:
            for part in parts:
                yield replace(part, source=source)

    def values(self, clip: Clip, media: Media) -> Generator[Any]:
        """What the output stage gives of a clip, chunk by chunk."""
        decoded = ahead(self._decoded(clip, media))
        seen = ahead(self._worked(decoded, Phase.PICTURES)) if self._steps(Phase.PICTURES) else decoded
        rows = self._worked(seen, Phase.ROWS)
        try:
            while True:
                with _quiet_torch(self.spec.threads):
                    part = next(rows).pop(self.spec.output)
                yield part
                if part.clock.last:
                    return
        finally:
            rows.close()

    def _steps(self, phase: Phase) -> list[Step]:
        return [step for step in self.steps if step.phase is phase]

    def _decoded(self, clip: Clip, media: Media) -> Generator[Values]:
        """What the sources give for one span after another, for as long as it is asked for."""
        steps = self._steps(Phase.DECODING)
        states = {step.name: stages.start(step.stage) for step in steps}
        length = self._span_length(media)
        for i in count():
            values: Values = {"span": Span(clip, i * length, (i + 1) * length)}
            _advance(steps, states, values)
            yield values
            del values

    def _worked(self, before: Generator[Values], phase: Phase) -> Generator[Values]:
        """The values of one span after another, with those of a phase."""
        steps = self._steps(phase)
        states = {step.name: stages.start(step.stage) for step in steps}
        torch.set_num_threads(self.spec.threads)  # holds for the thread that runs this
        with closing(before):
            for i, values in enumerate(before):
                if i % TRIM_EVERY == 0:
                    give_back_freed_memory()
                with torch.inference_mode():
                    _advance(steps, states, values)
                yield values
                del values

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


def _advance(steps: list[Step], states: dict[str, Any], values: Values) -> None:
    """One step of each stage; values that nobody reads any more are let go."""
    for step in steps:
        inputs = [values[name] for name in step.inputs]
        try:
            states[step.name], values[step.name] = stages.run(step.stage, states[step.name], inputs)
        except Exception as error:
            stages.blame(error, step.name)
            raise
        del inputs
        for name in step.frees:
            del values[name]


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
