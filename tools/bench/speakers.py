"""Measure speech and speakers on mixes of talking people: `python -m tools.bench.speakers CLIPS`.

CLIPS is a folder with the six GRID sentences (`grid_*.mpg`), of six people who speak from about 0.6 to 2.3 s. Two of
them are shown side by side: one speaks, the other is at rest, which is a frozen frame or the frames before and after
their own sentence, played to and fro. The sound is that of the left, of a third person (off screen), or silence. Then
clips and sounds without a face or without speech are read. Prints one row each, with 95 % intervals over the mixes
(percentile bootstrap); values of a mix are means over its frames with speech.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import avfer
from avfer.metrics.bootstrap import bootstrap_mean
from avfer.pipeline import Pipeline
from avfer.stages.decode import DecodeVideo
from avfer.stages.decode_audio import DecodeAudio
from avfer.types import Clip, Span

RATE = 16_000  # Hz
SPEECH = 0.5  # from which a frame counts as one with speech
BEFORE, AFTER = 0.35, 0.45  # s of rest before and after the speech that are left out: the mouth still moves there
NO_FACE = ("nasa_13013.mp4", "moviepy_chaplin.mp4", "d_black_video_with_speech.mp4", "pyfeat_no_face.mp4")
SECONDS = 8.0  # of a made sound


@dataclass(frozen=True, eq=False)
class Sentence:
    """A person who says a sentence."""

    name: str
    frames: np.ndarray  # (T, H, W, 3) uint8
    sound: np.ndarray  # (S,) float32, 16 kHz
    speech: np.ndarray  # (T,) bool, frames with speech
    fps: float

    @property
    def resting(self) -> np.ndarray:
        """As many frames without speech, played to and fro: (T, H, W, 3) uint8."""
        said, (before, after) = np.flatnonzero(self.speech), (round(s * self.fps) for s in (BEFORE, AFTER))
        parts = [np.arange(0, said[0] - before), np.arange(said[-1] + after, len(self.frames))]
        still = max(parts, key=len)
        order = np.resize(np.concatenate([still, still[::-1]]), len(self.frames))
        return self.frames[order]

    @property
    def frozen(self) -> np.ndarray:
        """The first frame again and again: (T, H, W, 3) uint8."""
        return np.repeat(self.frames[:1], len(self.frames), 0)


def read(path: Path, pipeline: Pipeline) -> Sentence:
    """Return the sentence of a clip; its frames with speech are those of the pipeline `voice`."""
    video, audio = DecodeVideo(), DecodeAudio()
    span = Span(Clip(path), 0, float("inf"))
    _, batch = video.step(video.start(), span)
    _, sound = audio.step(audio.start(), span)
    samples = sound.samples[0].numpy()
    samples = np.concatenate([np.zeros(max(0, round(sound.start * RATE)), np.float32), samples])
    samples = samples[max(0, -round(sound.start * RATE)) :]
    table = pipeline.run(path).to_pandas()
    times = batch.clock.times
    speech = np.interp(times, table["time_s"], table["speech"].fillna(0).astype(float)) >= SPEECH
    return Sentence(path.stem, batch.pixels.numpy(), samples, speech, 1 / float(np.median(np.diff(times))))


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return two films of the same height side by side, as long as the shorter one."""
    count = min(len(left), len(right))
    return np.ascontiguousarray(np.concatenate([left[:count], right[:count]], 2))


def table_of(pipeline: Pipeline, frames: np.ndarray, sound: np.ndarray | None, fps: float) -> pd.DataFrame:
    """Return the table of a film with a sound, with a column `left`: whether the face is in the left half."""
    found = pipeline.run(frames, fps=fps, audio=sound, sample_rate=RATE if sound is not None else None).to_pandas()
    centre = (found["face_x1"] + found["face_x2"]).astype(float) / 2
    return found.assign(left=centre < frames.shape[2] / 2)


def found_speaker(table: pd.DataFrame, left: bool) -> float:
    """Return the share of the frames with speech in which the right face, and it alone, speaks."""
    said = table[(table["speech"].astype(float) >= SPEECH) & table["has_face"]]
    speaks = said["speaking"].astype(float) >= SPEECH
    right = said["left"] == left
    per_frame = (speaks == right).groupby(said["frame"]).all()
    return float(per_frame.mean())


def arousal_change(spoken: pd.DataFrame, silent: pd.DataFrame, left: bool) -> float:
    """Return the mean absolute difference in arousal of the face of one half between a sound and silence."""
    pairs = spoken[spoken["left"] == left].merge(silent[silent["left"] == left], on="frame", suffixes=("", "_silent"))
    pairs = pairs[pairs["speech"].astype(float) >= SPEECH]
    return float((pairs["arousal"] - pairs["arousal_silent"]).abs().astype(float).mean())


def row(name: str, values: Sequence[float], digits: int = 3) -> None:
    """Print the mean of some mixes with its 95 % interval."""
    interval = bootstrap_mean(values)
    mean = float(np.mean(values))
    span = f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"
    print(f"| {name} | {mean:.{digits}f} | {span} | {len(values)} |", flush=True)


def measure_mixes(people: Sequence[Sentence], pipeline: Pipeline) -> None:
    """Print how often the speaker is found, and what the sound of others changes for a listener."""
    print("| mix of two people | mean | 95 % | mixes |\n|---|---|---|---|")
    films: dict[str, Callable[[Sentence], np.ndarray]] = {
        "frozen": lambda person: person.frozen,
        "at rest": lambda person: person.resting,
    }
    pairs = list(zip(people, [*people[1:], people[0]], strict=True))
    for rest, film in films.items():
        shares: list[float] = []
        changes: list[float] = []
        for speaker, listener in pairs:
            frames = beside(speaker.frames, film(listener))
            spoken = table_of(pipeline, frames, speaker.sound, speaker.fps)
            silent = table_of(pipeline, frames, None, speaker.fps)
            shares.append(found_speaker(spoken, left=True))
            changes.append(arousal_change(spoken, silent, left=False))
        row(f"speaker found, the other {rest}", shares)
        row(f"change of the listener's arousal, {rest}", changes)
    off_screen: list[float] = []
    for (first, second), third in zip(pairs, [*people[2:], *people[:2]], strict=True):
        frames = beside(first.resting, second.resting)
        spoken, silent = (table_of(pipeline, frames, sound, first.fps) for sound in (third.sound, None))
        off_screen += [arousal_change(spoken, silent, left) for left in (True, False)]
    row("change of arousal by a voice off screen, both at rest", off_screen)
    both, dubbed = [], []
    for first, second in pairs:
        frames = beside(first.frames, second.frames)
        both += [
            found_speaker(table_of(pipeline, frames, sound, first.fps), left)
            for sound, left in ((first.sound, True), (second.sound, False))
        ]
        single = table_of(pipeline, first.frames, second.sound, first.fps)
        dubbed.append(float(single["has_voice"][single["speech"].astype(float) >= SPEECH].mean()))
    row("speaker found, both speak, sound of one", both)
    row("dubbed: share of speech that is used for a moving mouth", dubbed)


def made_sounds() -> Iterable[tuple[str, np.ndarray]]:
    """Yield sounds without speech: digital silence, noise of two levels, chords, and a melody of decaying tones."""
    random, time = np.random.default_rng(0), np.arange(round(SECONDS * RATE)) / RATE
    yield "digital silence", np.zeros(len(time))
    yield "quiet room", 3e-4 * random.standard_normal(len(time))
    yield "loud noise", 0.2 * random.standard_normal(len(time))
    yield "hum of 50 Hz and its harmonics", sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5)) * 0.1
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6, 440.0)) * 0.1
    yield "chord", chord * (0.6 + 0.4 * np.sin(2 * np.pi * 0.5 * time))
    beat = time % 0.5
    pitch = 220 * 2 ** (np.array([0, 3, 7, 10, 12, 10, 7, 5])[(time // 0.5).astype(int) % 8] / 12)
    tone = np.sin(2 * np.pi * pitch * beat) + 0.3 * np.sin(4 * np.pi * pitch * beat)
    yield "melody", 0.25 * tone * np.exp(-3 * beat)
    yield (
        "melody and drum",
        0.25 * tone * np.exp(-3 * beat) + 0.1 * random.standard_normal(len(time)) * np.exp(-30 * beat),
    )


def measure_speechless(folder: Path, face: Pipeline, voice: Pipeline) -> None:
    """Print for clips and made sounds how many rows have affect without a face and without speech: 0 is right."""
    print("\n| clip or sound | pipeline | rows | without face and speech | affect there | reasons |")
    print("|---|---|---|---|---|---|")
    for name in NO_FACE:
        for pipeline in (face, voice):
            _print_speechless(name, pipeline, pipeline.run(folder / name).to_pandas())
    for name, sound in made_sounds():
        frames = np.full((round(SECONDS * 25), 64, 96, 3), 90, np.uint8)
        for pipeline in (face, voice):
            table = pipeline.run(frames, fps=25.0, audio=sound.astype(np.float32), sample_rate=RATE).to_pandas()
            _print_speechless(name, pipeline, table)


def _print_speechless(name: str, pipeline: Pipeline, table: pd.DataFrame) -> None:
    speech = table["speech"].fillna(0).astype(float) if "speech" in table else pd.Series(0.0, table.index)
    empty = table[~table["has_face"] & (speech < SPEECH)]
    given = int(empty[["valence", "arousal", "expression"]].notna().any(axis=1).sum())
    reasons = ", ".join(f"{reason} {count}" for reason, count in empty["reason"].value_counts().items())
    print(f"| {name} | {pipeline.name} | {len(table)} | {len(empty)} | {given} | {reasons} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="folder with grid_*.mpg and the clips without faces")
    parser.add_argument("--part", choices=("all", "mixes", "speechless"), default="all")
    options = parser.parse_args()
    face, voice = (avfer.load(name, device="cpu") for name in ("aver", "voice"))
    if options.part != "speechless":
        measure_mixes([read(path, voice) for path in sorted(options.clips.glob("grid_*.mpg"))], face)
    if options.part != "mixes":
        measure_speechless(options.clips, face, voice)


if __name__ == "__main__":
    main()
