"""Generate a twin of a licensed corpus: its layout and file formats, drawn people, and known ground truth.

Run it as `python tools/make_twin.py recola DIR [--seed 1] [--subjects 9] [--seconds 60]`. The same seed gives the same
bytes. The truth is written to DIR/truth.json. `recola_harmonic` is `recola` with voices that are made another way.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

if __name__ == "__main__" and __package__ is None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file

from tools.twin import aff_wild2, recola
from tools.twin.harmonic_voice import harmonic_voice

MAKERS = {
    "recola": recola.make,
    "recola_harmonic": partial(recola.make, voice=harmonic_voice),
    "aff_wild2": aff_wild2.make,
}


def main(arguments: list[str] | None = None) -> None:
    """Write a corpus into an empty folder; exit with code 2 on wrong arguments.

    arguments: words of the command line, by default those of the process.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=MAKERS)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--subjects", type=int, default=9, help="recordings; two thirds of them are for training")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each recording")
    options = parser.parse_args(arguments)
    if options.folder.exists() and any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty; choose a new folder")
    if options.subjects < 2 or options.seconds < 4:
        parser.error("at least 2 subjects of 4 s are needed: one for training, one for scoring")
    options.folder.mkdir(parents=True, exist_ok=True)
    MAKERS[options.corpus](options.folder, options.seed, options.subjects, options.seconds, print)


if __name__ == "__main__":
    main()
