"""A running pipeline: its stages process a clip chunk by chunk, decoding and face detection ahead of the rest."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from avfer import stage as stages
from avfer.affect_track import AffectTrack, Provenance
from avfer.errors import ConfigError, unknown
from avfer.media import Media, probe
from avfer.models.card import Card
from avfer.pipeline_builder import Phase, Step, build
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.prefetch import prefetch, release_free_memory
from avfer.types import Clip, Span

Values = dict[str, Any]  # outputs of the stages for one span, by the names of the stages
TRIM_EVERY = 32  # spans between two releases of free memory
CHUNK_BYTES = 24_000_000  # of pixels in one chunk at most; larger frames make shorter chunks


class Pipeline:
    """A checked pipeline with its networks loaded; it can process many clips, one after another.

    A clip passes three threads, each a few spans ahead of the next: one decodes, one runs the stages that read
    frames, and the caller's own thread runs the rest. `output` is the type that the output stage must have.

    Raises ConfigError, WeightsError or MissingExtra if a stage, a weight file or a library is missing or wrong.
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
        """The sha256 of every weight file in use, by its file name."""
        found: dict[str, str] = {}
        for step in self.steps:
            if isinstance(step.stage, stages.HasWeightFiles):
                found |= step.stage.files()
        return found

    @property
    def cards(self) -> list[Card]:
        """The cards of the networks in use, in the order of their stages."""
        return [step.stage.card for step in self.steps if isinstance(step.stage, stages.HasCard)]

    def provenance(self, media: Media) -> Provenance:
        """Return what determines the rows of a clip, for the table's metadata."""
        return Provenance(
            clip=media.path.name,
            pipeline=self.spec.text,
            pipeline_sha256=self.spec.sha256,
            weights=self.files,
            device=str(self.device),
            stream=media.facts(),
        )

    def run(self, path: str | Path, sound: Path | None = None) -> AffectTrack:
        """Return all rows of a clip; `sound` as in `stream`. Raises MediaError if the file cannot be read."""
        parts = list(self.stream(path, sound))
        return AffectTrack.concat(parts)

    def stream(self, path: str | Path, sound: Path | None = None) -> Iterator[AffectTrack]:
        """Yield the rows of a clip chunk by chunk, in bounded memory. Raises MediaError if the file cannot be read.

        `sound` is a separate file with the clip's sound; its first sample belongs to the first frame.
        """
        media = probe(Path(path))
        source = self.provenance(media)
        with closing(self.values(Clip(media.path, sound), media)) as parts:
            for part in parts:
                yield replace(part, source=source)

    def values(self, clip: Clip, media: Media) -> Generator[Any]:
        """Yield the values of the output stage chunk by chunk; closing the generator ends its threads."""
        decoded = prefetch(self._decode(clip, media))
        detected = prefetch(self._process(decoded, Phase.FRAMES)) if self._steps(Phase.FRAMES) else decoded
        rows = self._process(detected, Phase.ROWS)
        try:
            while True:
                with _inference(self.spec.threads):
                    part = next(rows).pop(self.spec.output)
                yield part
                if part.clock.last:
                    return
        finally:
            rows.close()

    def _steps(self, phase: Phase) -> list[Step]:
        return [step for step in self.steps if step.phase is phase]

    def _decode(self, clip: Clip, media: Media) -> Generator[Values]:
        """Yield the outputs of the decoding stages for one span after another, without end."""
        steps = self._steps(Phase.DECODING)
        states = {step.name: stages.start(step.stage) for step in steps}
        length = self._span_length(media)
        for i in count():
            values: Values = {"span": Span(clip, i * length, (i + 1) * length)}
            _advance(steps, states, values)
            yield values
            del values

    def _process(self, earlier: Generator[Values], phase: Phase) -> Generator[Values]:
        """Add the outputs of the stages of a phase to the values of every span; close `earlier` at the end."""
        steps = self._steps(phase)
        states = {step.name: stages.start(step.stage) for step in steps}
        torch.set_num_threads(self.spec.threads)  # applies to the thread that runs this generator
        with closing(earlier):
            for i, values in enumerate(earlier):
                if i % TRIM_EVERY == 0:
                    release_free_memory()
                with torch.inference_mode():
                    _advance(steps, states, values)
                yield values
                del values

    def _span_length(self, media: Media) -> float:
        """Return the seconds of a span: `chunk`, or less if its frames would exceed CHUNK_BYTES."""
        video = media.video
        if video is None:
            return self.spec.chunk
        bytes_per_second = video.width * video.height * 3 * max(video.fps or 0.0, 25.0)
        return min(self.spec.chunk, CHUNK_BYTES / bytes_per_second)


def load(name: str | Path, device: str = "auto", **options: Any) -> Pipeline:
    """Load a pipeline by the name of a bundled one or the path of a YAML file.

    `options` override the YAML: `load("aver", **{"tracks.max_gap": 1.0})`. Raises ConfigError, WeightsError or
    MissingExtra before any frame is decoded.
    """
    return Pipeline(read_pipeline(name, options), device)


def choose_device(name: str) -> torch.device:
    """Return a device by its name; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises ConfigError if the name is unknown or this machine lacks the device.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    kind = name.partition(":")[0]
    if kind not in available:
        raise ConfigError(unknown("device", name, ("auto", *available)))
    if not available[kind]:
        raise ConfigError(f"this machine has no device '{name}'; --device auto takes the best available one")
    return torch.device(name)


def _advance(steps: list[Step], states: dict[str, Any], values: Values) -> None:
    """Run one step of each stage and drop the values that no later stage reads."""
    for step in steps:
        inputs = [values[name] for name in step.inputs]
        try:
            states[step.name], values[step.name] = stages.run(step.stage, states[step.name], inputs)
        except Exception as error:
            stages.note_stage(error, step.name)
            raise
        del inputs
        for name in step.frees:
            del values[name]


@contextmanager
def _inference(threads: int) -> Generator[None]:
    """Run torch without gradients and with a fixed number of threads, because that number changes the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
