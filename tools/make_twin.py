"""Make a twin of a licensed corpus: its folders, names and files, people that are drawn, and a truth that is known.

python tools/make_twin.py recola DIR [--seed 1] [--subjects 9] [--seconds 60]
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__" and __package__ is None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file

from tools.twin import aff_wild2, recola

MAKERS = {"recola": recola.make, "aff_wild2": aff_wild2.make}


def main(arguments: list[str] | None = None) -> None:
    """Write a corpus into an empty folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=MAKERS)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--subjects", type=int, default=9, help="recordings; two thirds of them are to learn from")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each")
    chosen = parser.parse_args(arguments)
    if chosen.folder.exists() and any(chosen.folder.iterdir()):
        parser.error(f"{chosen.folder} is not empty; name a new folder")
    if chosen.subjects < 2 or chosen.seconds < 4:
        parser.error("2 subjects of 4 s are the least: one to learn from, one to score")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    MAKERS[chosen.corpus](chosen.folder, chosen.seed, chosen.subjects, chosen.seconds, lambda name: print(name))


if __name__ == "__main__":
    main()
