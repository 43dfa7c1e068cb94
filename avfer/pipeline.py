"""A running pipeline: its stages process a clip chunk by chunk; decoding, detection and face networks run ahead."""

import math
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from avfer import stage as stages
from avfer.affect_track import AffectTrack
from avfer.clip_sources import resolve_clip
from avfer.cores import available_cores
from avfer.devices import choose_device
from avfer.errors import ConfigError
from avfer.media import Media
from avfer.models.card import Card
from avfer.models.engine import RUNTIMES, package_version
from avfer.option_types import Threads, check_given_option
from avfer.pipeline_builder import Phase, Step, build
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.prefetch import map_large_blocks, prefetch, release_free_memory
from avfer.provenance import Provenance
from avfer.provenance_comparison import input_state, pipeline_sha256
from avfer.spans import AFTER_END, ChunkToDecode, Values, is_empty, waiting_bytes
from avfer.torch_threads import set_torch_threads, torch_threads
from avfer.types import Clip, Span

RELEASE_EVERY = 64  # spans between two calls of release_free_memory; memory that is used again costs time afterwards
CHUNK_BYTES = 12_000_000  # of pixels in one step at most, but at least one frame


class Pipeline:
    """A checked pipeline with its networks loaded; it can process many clips, one after another.

    A clip passes four threads, each some spans ahead of the next: one decodes, one runs the stages that read frames,
    one those that read crops of faces, and the caller's own thread runs the rest.

    spec: the pipeline to build; device: "auto", "cpu", "cuda", "cuda:N" or "mps"; output: the type that the output
    stage must have; max_threads: CPU threads that compute at the same time, None for as many as this process has cores.
    The predicted values do not depend on `max_threads`.

    Raises ConfigError, WeightsError or MissingExtra if a stage, a weight file or a library is missing or wrong.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        device: str | torch.device = "auto",
        output: type = AffectTrack,
        max_threads: int | None = None,
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.steps = build(spec, output)
        self._parsed_sha256 = pipeline_sha256(spec)
        self.device = choose_device(device)
        self._arguments = (output, max_threads)
        at_once = (available_cores() if max_threads is None else int(max_threads)) // spec.threads
        self._computing = threading.Semaphore(max(1, at_once))  # steps that may run at the same time
        with torch_threads(spec.threads):
            for step in self.steps:
                if isinstance(step.stage, stages.OwnsNetwork):
                    step.stage.load(self.device)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the specification alone; unpickling it, such as in another process, loads the networks again."""
        return type(self), (self.spec, str(self.device), *self._arguments)

    @cached_property
    def files(self) -> dict[str, str]:
        """The sha256 of every weight file in use, by its file name.

        Different files with the same name, such as `best.safetensors` of two trainings, have their stage before it:
        `look/best.safetensors`.
        """
        found = [
            (step.name, file, sha256)
            for step in self.steps
            if isinstance(step.stage, stages.HasWeightFiles)
            for file, sha256 in step.stage.files().items()
        ]
        contents: dict[str, set[str]] = {}
        for _, file, sha256 in found:
            contents.setdefault(file, set()).add(sha256)
        return {file if len(contents[file]) == 1 else f"{stage}/{file}": sha256 for stage, file, sha256 in found}

    @cached_property
    def engines(self) -> dict[str, str]:
        """What runs the networks of the stages that can choose it: stage -> "torch 2.11.0" or "onnxruntime 1.32.0"."""
        chosen = {
            step.name: step.stage.engine_used for step in self.steps if isinstance(step.stage, stages.ChoosesEngine)
        }
        return {name: f"{RUNTIMES[engine]} {package_version(RUNTIMES[engine])}" for name, engine in chosen.items()}

    @property
    def cards(self) -> list[Card]:
        """The cards of the networks in use, in the order of their stages."""
        return [step.stage.card for step in self.steps if isinstance(step.stage, stages.HasCard)]

    def provenance(self, media: Media, sound: Path | None = None) -> Provenance:
        """Return what determines the rows of a clip, for the table's metadata."""
        state = input_state(media.path, sound)
        return replace(self.expected_provenance(media.path.name, state), stream=media.facts())

    def expected_provenance(self, clip: str, state: Mapping[str, object]) -> Provenance:
        """Return the provenance that the table of a clip would have, apart from `stream`, without reading the clip.

        clip: file name. state: size and time of the input, as of `avfer.provenance_comparison.input_state`.
        """
        return Provenance(
            clip=clip,
            input=state,
            pipeline_name=self.name,
            pipeline=self.spec.text,
            pipeline_sha256=self.spec.sha256,
            parsed_pipeline_sha256=self._parsed_sha256,
            weights=self.files,
            device=str(self.device),
            engines=self.engines,
            numbers_only=self.spec.numbers_only,
        )

    def run(
        self,
        clip: str | Path | Any,
        sound: str | Path | None = None,
        *,
        fps: float | None = None,
        audio: Any = None,
        sample_rate: int | None = None,
        progress: bool = False,
    ) -> AffectTrack:
        """Return all rows of a clip; the other arguments as in `stream`. Raises MediaError if it cannot be read.

        progress: show a bar on standard error while the clip is processed; without a terminal, a line at the end.
        """
        parts = self.parts(clip, sound, fps=fps, audio=audio, sample_rate=sample_rate)
        if progress:
            from avfer.progress import show_progress

            parts = show_progress(Path(clip) if isinstance(clip, str | Path) else Path("array"), parts)
        return replace(AffectTrack.concat(list(parts)), baseline=self.spec.baseline)

    def stream(
        self,
        clip: str | Path | Any,
        sound: str | Path | None = None,
        *,
        fps: float | None = None,
        audio: Any = None,
        sample_rate: int | None = None,
    ) -> Iterator[AffectTrack]:
        """Yield the rows of a clip chunk by chunk, in bounded memory.

        clip: a media file; a folder or pattern (`frames/%04d.png`) of pictures; or the frames themselves, an array or
        tensor (T, H, W, 3) uint8 RGB with `fps` frames per second (default 25).
        sound: a separate file with the clip's sound; its first sample belongs to the first frame.
        audio: the sound of frames in memory, (S,) or (C, S), float in [-1, 1] or int16; sample_rate: its rate in Hz.

        Raises MediaError if a file cannot be read, and ConfigError if arrays do not fit, if `fps`, `audio` or
        `sample_rate` are given with a file, and at once if the pipeline has a baseline: its values need the whole clip.
        """
        if self.spec.baseline is not None:
            raise ConfigError("baseline: the resting values need the whole clip; use run(), or load without baseline")
        return self.parts(clip, sound, fps=fps, audio=audio, sample_rate=sample_rate)

    def parts(
        self,
        clip: str | Path | Any,
        sound: str | Path | None = None,
        *,
        fps: float | None = None,
        audio: Any = None,
        sample_rate: int | None = None,
    ) -> Iterator[AffectTrack]:
        """Yield the rows as `stream` does, without the baseline, so that a pipeline with one is accepted too."""
        whole, media = resolve_clip(clip, sound, fps, audio, sample_rate)
        source = self.provenance(media, whole.sound)
        with closing(self.values(whole)) as parts:
            for part in parts:
                yield replace(part, source=source)

    def values(self, clip: Clip) -> Generator[Any]:
        """Yield the values of the output stage chunk by chunk; closing the generator ends its threads."""
        map_large_blocks()
        values = prefetch(self._decode(clip), waiting_bytes)
        for phase in (Phase.FRAMES, Phase.CROPS):
            if self._steps(phase):
                values = prefetch(self._process(values, phase), waiting_bytes)
        rows = self._process(values, Phase.ROWS)
        try:
            while True:
                with torch_threads(self.spec.threads), torch.inference_mode():
                    part = next(rows).pop(self.spec.output)
                yield part
                if part.clock.last:
                    return
        finally:
            rows.close()

    def _steps(self, phase: Phase) -> list[Step]:
        return [step for step in self.steps if step.phase is phase]

    def _decode(self, clip: Clip) -> Generator[Values]:
        """Yield the outputs of the decoding stages for one span after another, without end."""
        set_torch_threads(self.spec.threads)
        steps = self._steps(Phase.DECODING)
        states = {step.name: stages.start(step.stage) for step in steps}
        chunk, current = self.spec.chunk, ChunkToDecode()
        while True:
            start = current.number * chunk
            span = Span(clip, start, start + chunk, CHUNK_BYTES)
            values: Values = {"span": span, AFTER_END: current.after_end}
            with self._computing:
                _advance(steps, states, values)
            yield values
            del values
            next_time = min((_next_time(step.stage, states[step.name]) for step in steps), default=0.0)
            current = current.after(next_time, chunk)

    def _process(self, earlier: Generator[Values], phase: Phase) -> Generator[Values]:
        """Add the outputs of the stages of a phase to the values of every span; close `earlier` at the end.

        Spans whose values are all empty are left out: most are, as detection outputs the frames between two key frames
        at once, and each would cost the later stages some ms.
        """
        set_torch_threads(self.spec.threads)
        steps = self._steps(phase)
        states = {step.name: stages.start(step.stage) for step in steps}
        with closing(earlier):
            for i, values in enumerate(earlier):
                if i % RELEASE_EVERY == 0:
                    release_free_memory()
                with self._computing, torch.inference_mode():
                    _advance(steps, states, values)
                if not is_empty(values):
                    yield values
                del values


def _next_time(stage: Any, state: Any) -> float:
    """Return the time (s) of the next frame or sample of a decoding stage, -infinity if it does not declare it."""
    return stage.next_time(state) if isinstance(stage, stages.SkipsGaps) else -math.inf


def load(
    name: str | Path, device: str | torch.device = "auto", *, max_threads: int | None = None, **options: Any
) -> Pipeline:
    """Load a pipeline by the name of a bundled one or the path of a YAML file; max_threads: see `Pipeline`.

    `options` override the YAML: `load("aver", **{"tracks.max_gap": 1.0})`. Raises ConfigError, WeightsError or
    MissingExtra before any frame is decoded.
    """
    check_given_option("max_threads", max_threads, Threads)
    return Pipeline(read_pipeline(name, options), device, max_threads=max_threads)


def _advance(steps: list[Step], states: dict[str, Any], values: Values) -> None:
    """Run one step of each stage and drop the values that no later stage reads."""
    for step in steps:
        inputs = [values[name] for name in step.inputs]
        try:
            states[step.name], values[step.name] = stages.run(step.stage, states[step.name], inputs)
            stages.check_output(step.stage, values[step.name], step.output)
        except Exception as error:
            stages.note_stage(error, step.name)
            raise
        del inputs
        for name in step.frees:
            del values[name]
