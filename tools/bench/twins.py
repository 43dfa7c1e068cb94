"""Train the recipes on corpora with known truth: `python -m tools.bench.twins --seeds 8 21`.

For each seed a twin of RECOLA and one of Aff-Wild2 are generated in a new folder, and the recipes of `configs/train`
run on them unchanged. The drawn face shows valence and the voice carries arousal, so a model given only one of them
must fail on the other dimension. Labels follow after a known delay, which `delay: search` has to find. The output is
the table of tools/README.md.
"""

import argparse
import re
import shutil
import tempfile
import time
from pathlib import Path

from avfer.models.card_files import read_card
from avfer.training.train_model import Trained, train
from avfer.training.training_config import read_config
from tools import make_twin

RECIPES = Path(__file__).parents[2] / "configs" / "train"
RECOLA = {  # variant -> settings that differ from the recipe
    "face and voice": {},
    "voice alone": {"model_options": {"num_face": 0}},
    "face alone": {"model_options": {"num_voice": 0}},
    "face and voice, `delay` 0": {"delay": 0.0},
}
TASKS = {  # of Aff-Wild2 -> measure of the score
    "va": "mean CCC",
    "expr": "macro F1",
    "au": "mean F1 of the units",
    "multi_task": "mean of the three",
}


def make(corpus: str, folder: Path, seed: int, *size: str) -> Path:
    """Generate a twin in `folder`/corpus; return `folder`.

    size: options of tools.make_twin, such as "--subjects=6"; its defaults otherwise.
    """
    make_twin.main([corpus, str(folder / "corpus"), f"--seed={seed}", *size])
    return folder


def trained(twin: Path, recipe: str, name: str, **settings: object) -> Trained:
    """Train a recipe on a twin; recipes with the same pipeline share the features of the videos.

    name: of the output folder; settings: keys of the recipe that are changed.
    """
    features, output = twin / "features", twin / name
    features.mkdir(exist_ok=True)
    shutil.copytree(features, output / "features")
    fixed = {"root": twin / "corpus", "output": output, "device": "cpu"}
    result = train(read_config(RECIPES / f"{recipe}.yaml", fixed | settings))
    shutil.copytree(output / "features", features, dirs_exist_ok=True)
    return result


def delays(run: Trained) -> tuple[float, float]:
    """Return the seconds by which the labels of valence and of arousal were shifted, from the card of the weights."""
    (protocol,) = {metric.protocol for metric in read_card(run.weights.with_suffix(".json")).metrics}
    found = re.search(r"delay \(([0-9.]+), ([0-9.]+)\)", protocol)
    assert found is not None, protocol
    return float(found[1]), float(found[2])


def recola_harmonic(folder: Path, seed: int) -> None:
    """Print the row of one RECOLA twin whose voices are made another way."""
    run = trained(make("recola_harmonic", folder, seed), "recola_aver", "run")
    score = " / ".join(f"{run.scores[f'ccc_{name}']:.3f}" for name in ("valence", "arousal"))
    print(f"| RECOLA twin, harmonic voices, seed {seed} | face and voice | CCC {score} | {delays(run)} s |", flush=True)


def recola(folder: Path, seed: int) -> None:
    """Print the rows of one RECOLA twin."""
    start, notes = time.monotonic(), dict[str, str]()
    twin = make("recola", folder, seed)
    for variant, settings in RECOLA.items():
        run = trained(twin, "recola_aver", variant, **settings)
        minutes = (time.monotonic() - start) / 60
        notes[variant] = "" if notes else f"delays found: {delays(run)} s; {minutes:.1f} minutes from video to score"
        score = " / ".join(f"{run.scores[f'ccc_{name}']:.3f}" for name in ("valence", "arousal"))
        print(f"| RECOLA twin, seed {seed} | {variant} | CCC {score} | {notes[variant]} |", flush=True)


def aff_wild2(folder: Path, seed: int) -> None:
    """Print the rows of one Aff-Wild2 twin."""
    twin = make("aff_wild2", folder, seed)
    for task, measure in TASKS.items():
        score = trained(twin, f"aff_wild2_{task}", task).scores["score"]
        print(f"| Aff-Wild2 twin, seed {seed} | `aff_wild2_{task}` | {score:.3f} | {measure} |", flush=True)


TWINS = {"recola": recola, "recola_harmonic": recola_harmonic, "aff_wild2": aff_wild2}


def main() -> None:
    """Run all seeds, one after another, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[8, 21])
    parser.add_argument("--only", nargs="+", choices=TWINS, default=list(TWINS))
    options = parser.parse_args()
    print("| corpus | variant | score | |\n|---|---|---|---|")
    for seed in options.seeds:
        for corpus in options.only:
            with tempfile.TemporaryDirectory() as folder:
                TWINS[corpus](Path(folder), seed)


if __name__ == "__main__":
    main()
