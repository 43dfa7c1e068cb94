"""A twin of RECOLA as AVEC 2015 and 2016 distributed it: 25 fps, a label every 40 ms, six raters."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avfer.datasets.gold_standard import avec
from tools.twin.face import PICTURE, Drawings, Person, pictures, valence_shown
from tools.twin.media import write_sound, write_video
from tools.twin.signals import RATERS, affect, opening, ratings, talking, times_of
from tools.twin.voice import Speaker, voice

FPS = 25
DELAYS = {"arousal": 2.0, "valence": 2.8}  # s
HEADER = "@relation gold_standard\n@attribute Instance_name string\n@attribute frameTime numeric\n"


def make(root: Path, seed: int, subjects: int, seconds: float, tell: Callable[[str], None]) -> None:
    """Write the recordings: two thirds are train_1, train_2, ..., the rest dev_1, dev_2, ..."""
    drawings = Drawings(("happiness", "sadness"))
    known = max(1, subjects * 2 // 3)
    names = [f"train_{n + 1}" for n in range(known)] + [f"dev_{n + 1}" for n in range(subjects - known)]
    truth: dict[str, dict[str, list[float]]] = {}
    for number, name in enumerate(names):
        random = np.random.default_rng([seed, number])
        felt = dict(zip(("valence", "arousal"), affect(random, seconds, FPS), strict=True))
        _record(root, name, random, drawings, felt)
        at = np.append(times_of(seconds, FPS), seconds)
        for dimension, signal in felt.items():
            told = ratings(random, signal, DELAYS[dimension], at, FPS)
            _rate(root, name, dimension, at, told)
        truth[name] = {dimension: signal.round(4).tolist() for dimension, signal in felt.items()}
        tell(name)
    content = {"corpus": "recola", "seed": seed, "fps": FPS, "delays_s": DELAYS, "recordings": truth}
    (root / "truth.json").write_text(json.dumps(content))
    tell(f"labels follow after {DELAYS['valence']} s (valence) and {DELAYS['arousal']} s (arousal); see truth.json")


def _record(
    root: Path, name: str, random: np.random.Generator, drawings: Drawings, felt: dict[str, np.ndarray]
) -> None:
    """The video, whose face shows valence, and the sound, whose voice tells arousal."""
    seconds = len(felt["valence"]) / FPS
    spans = talking(random, seconds)
    sound = voice(random, Speaker.drawn(random), felt["arousal"], spans, FPS)
    person, mouth = Person.drawn(random, seconds, FPS), opening(random, spans, seconds, FPS)
    shown = valence_shown(felt["valence"])
    frames = (frame for whole, _ in pictures(drawings, person, shown, mouth) for frame in whole)
    write_video(root / "recordings_video" / f"{name}.mp4", frames, PICTURE, FPS, sound)
    write_sound(root / "recordings_audio" / f"{name}.wav", sound)


def _rate(root: Path, name: str, dimension: str, at: np.ndarray, told: np.ndarray) -> None:
    """The file of the raters, and that of the gold standard which AVEC makes of them."""
    individual = root / "ratings_individual" / dimension / f"{name}.csv"
    gold = root / "ratings_gold_standard" / dimension / f"{name}.arff"
    for path in (individual, gold):
        path.parent.mkdir(parents=True, exist_ok=True)
    rows = (";".join([f"{t:.2f}", *(f"{value:.6f}" for value in told[:, k])]) for k, t in enumerate(at))
    individual.write_text("\n".join([";".join(["time", *RATERS]), *rows, ""]))
    values = avec(told.round(6))
    data = "".join(f"{name},{t:.2f},{value:.6f}\n" for t, value in zip(at, values, strict=True))
    gold.write_text(f"{HEADER}@attribute {dimension} numeric\n@data\n{data}")
