"""What is learned on corpora whose truth is known (python -m tools.bench.twins --seeds 8 21).

For each seed a twin of RECOLA and one of Aff-Wild2 are made in a new folder, and the recipes of `configs/train` run on
them as they are. Valence drives the rendered face, arousal the voice, so that a model given one of them must fail on
the other dimension; labels are late by a known time, which `delay: search` has to find. Prints the table of the README.
"""

import argparse
import re
import shutil
import tempfile
import time
from pathlib import Path

from avfer.models.weights import read_card
from avfer.training.train import Trained, train
from avfer.training.training_config import read_config
from tools import make_twin

RECIPES = Path(__file__).parents[2] / "configs" / "train"
RECOLA = {  # what differs from the recipe
    "face and voice": {},
    "voice alone": {"model_options": {"num_face": 0}},
    "face alone": {"model_options": {"num_voice": 0}},
    "face and voice, `delay` 0": {"delay": 0.0},
}
TASKS = {  # of Aff-Wild2
    "va": "mean CCC",
    "expr": "macro F1",
    "au": "mean F1 of the units",
    "multi_task": "mean of the three",
}


def make(corpus: str, folder: Path, seed: int) -> Path:
    """A twin of the tool's own size in `folder`/corpus."""
    make_twin.main([corpus, str(folder / "corpus"), f"--seed={seed}"])
    return folder


def trained(twin: Path, recipe: str, name: str, **settings: object) -> Trained:
    """A recipe on a twin; the videos are embedded by the first one alone."""
    kept, output = twin / "features", twin / name
    if kept.exists():
        shutil.copytree(kept, output / "features")
    fixed = {"root": twin / "corpus", "output": output, "device": "cpu"}
    result = train(read_config(RECIPES / f"{recipe}.yaml", fixed | settings))
    if not kept.exists():
        shutil.copytree(output / "features", kept)
    return result


def delays(run: Trained) -> tuple[float, float]:
    """s by which labels of valence and of arousal were moved earlier."""
    (protocol,) = {metric.protocol for metric in read_card(run.weights.with_suffix(".json")).metrics}
    found = re.search(r"delay \(([0-9.]+), ([0-9.]+)\)", protocol)
    assert found is not None, protocol
    return float(found[1]), float(found[2])


def recola(folder: Path, seed: int) -> None:
    """Rows of one RECOLA twin."""
    start, notes = time.monotonic(), dict[str, str]()
    twin = make("recola", folder, seed)
    for what, settings in RECOLA.items():
        run = trained(twin, "recola_aver", what, **settings)
        minutes = (time.monotonic() - start) / 60
        notes[what] = "" if notes else f"delays found: {delays(run)} s; {minutes:.1f} minutes from video to score"
        score = " / ".join(f"{run.scores[f'ccc_{name}']:.3f}" for name in ("valence", "arousal"))
        print(f"| RECOLA twin, seed {seed} | {what} | CCC {score} | {notes[what]} |", flush=True)


def aff_wild2(folder: Path, seed: int) -> None:
    """Rows of one Aff-Wild2 twin."""
    twin = make("aff_wild2", folder, seed)
    for task, measure in TASKS.items():
        score = trained(twin, f"aff_wild2_{task}", task).scores["score"]
        print(f"| Aff-Wild2 twin, seed {seed} | `aff_wild2_{task}` | {score:.3f} | {measure} |", flush=True)


def main() -> None:
    """Twins of all seeds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[8, 21])
    print("| corpus | what | score | |\n|---|---|---|---|")
    for seed in parser.parse_args().seeds:
        for corpus in (recola, aff_wild2):
            with tempfile.TemporaryDirectory() as folder:
                corpus(Path(folder), seed)


if __name__ == "__main__":
    main()
