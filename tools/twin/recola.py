"""A twin of RECOLA in the layout of AVEC 2015 and 2016: 25 fps, a label every 40 ms, six raters.

The face shows valence, the voice carries arousal, and the ratings follow both after DELAYS.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avfer.datasets.gold_standard import avec
from tools.twin.face import PICTURE, Drawings, Person, draw_frames, valence_shown
from tools.twin.media import write_audio, write_video
from tools.twin.signals import RATERS, affect, opening, ratings, talking, times_of
from tools.twin.voice import formant_voice

FPS = 25
DELAYS = {"arousal": 2.0, "valence": 2.8}  # s between a signal and its ratings
HEADER = "@relation gold_standard\n@attribute Instance_name string\n@attribute frameTime numeric\n"


# (random numbers, arousal (T,), spans of speech in s, frames per second) -> sound (S,) float32 at RATE
Voice = Callable[[np.random.Generator, np.ndarray, list[tuple[float, float]], int], np.ndarray]


def make(
    root: Path,
    seed: int,
    subjects: int,
    seconds: float,
    report: Callable[[str], None],
    voice: Voice = formant_voice,
) -> None:
    """Write the recordings: two thirds are train_1, train_2, ..., the others dev_1, dev_2, ...

    seconds: length of each recording; report: called with a line of text after each recording; voice: speaks.
    """
    drawings = Drawings(("happiness", "sadness"))
    num_train = max(1, subjects * 2 // 3)
    names = [f"train_{n + 1}" for n in range(num_train)] + [f"dev_{n + 1}" for n in range(subjects - num_train)]
    truth: dict[str, dict[str, list[float]]] = {}
    for number, name in enumerate(names):
        random = np.random.default_rng([seed, number])
        affect_over_time = dict(zip(("valence", "arousal"), affect(random, seconds, FPS), strict=True))
        _record(root, name, random, drawings, affect_over_time, voice)
        at = np.append(times_of(seconds, FPS), seconds)
        for dimension, signal in affect_over_time.items():
            _write_ratings(root, name, dimension, at, ratings(random, signal, DELAYS[dimension], at, FPS))
        truth[name] = {dimension: signal.round(4).tolist() for dimension, signal in affect_over_time.items()}
        report(name)
    content = {"corpus": "recola", "seed": seed, "fps": FPS, "delays_s": DELAYS, "recordings": truth}
    (root / "truth.json").write_text(json.dumps(content))
    report(f"labels follow after {DELAYS['valence']} s (valence) and {DELAYS['arousal']} s (arousal); see truth.json")


def _record(
    root: Path,
    name: str,
    random: np.random.Generator,
    drawings: Drawings,
    affect_over_time: dict[str, np.ndarray],
    voice: Voice,
) -> None:
    """Write the video, whose face shows valence, and the audio, whose voice carries arousal; (T,) each."""
    seconds = len(affect_over_time["valence"]) / FPS
    spans = talking(random, seconds)
    audio = voice(random, affect_over_time["arousal"], spans, FPS)
    person, mouth = Person.drawn(random, seconds, FPS), opening(random, spans, seconds, FPS)
    shown = valence_shown(affect_over_time["valence"])
    frames = (frame for whole, _ in draw_frames(drawings, person, shown, mouth) for frame in whole)
    write_video(root / "recordings_video" / f"{name}.mp4", frames, PICTURE, FPS, audio)
    write_audio(root / "recordings_audio" / f"{name}.wav", audio)


def _write_ratings(root: Path, name: str, dimension: str, at: np.ndarray, rated: np.ndarray) -> None:
    """Write the individual ratings, (R, N) at N times in s, and the gold standard that AVEC computes from them."""
    individual = root / "ratings_individual" / dimension / f"{name}.csv"
    gold = root / "ratings_gold_standard" / dimension / f"{name}.arff"
    for path in (individual, gold):
        path.parent.mkdir(parents=True, exist_ok=True)
    rows = (";".join([f"{t:.2f}", *(f"{value:.6f}" for value in rated[:, k])]) for k, t in enumerate(at))
    individual.write_text("\n".join([";".join(["time", *RATERS]), *rows, ""]))
    values = avec(rated.round(6))
    data = "".join(f"{name},{t:.2f},{value:.6f}\n" for t, value in zip(at, values, strict=True))
    gold.write_text(f"{HEADER}@attribute {dimension} numeric\n@data\n{data}")
