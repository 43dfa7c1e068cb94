"""Feed avfer with mutated configurations, options, manifests, weights and media; list every outcome that is wrong.

    .venv/bin/python -m tools.fuzz                      # the full counts
    .venv/bin/python -m tools.fuzz --kinds options --share 0.05 --seed 7

A right outcome is exit code 0, 2, or 3 with a reason for each input. Wrong are: a traceback, the word "unexpected",
another exit code, more than 30 s of CPU time or 300 s in all, a temporary file that is left behind, an incomplete
table, and a run of code from a file (the canary PWNED appears). Each case runs in a process of its own, forked after
the imports, in an empty folder. Wrong cases are kept in a folder: the command, its files and its messages. Needs an
operating system with fork().
"""

import argparse
import json
import sys
import time
from pathlib import Path

from tools.fuzz.cases import KINDS
from tools.fuzz.runner import fuzz, warm_up


def main() -> None:
    """Run the kinds of the command line and print a JSON object with all numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of cases, with commas")
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", type=Path, help="folder for wrong cases")
    chosen = parser.parse_args()
    warm_up()
    report: dict[str, dict[str, object]] = {}
    for kind in chosen.kinds.split(","):
        start, count = time.monotonic(), max(1, round(KINDS[kind][1] * chosen.share))
        summary = fuzz(kind, count, chosen.seed, chosen.wrong)
        report[kind] = {
            "cases": count,
            "codes": dict(sorted(summary.codes.items())),
            "wrong": summary.wrong,
            "seconds": round(time.monotonic() - start),
            "slowest_s": round(summary.slowest, 1),
            "slowest_cpu_s": round(summary.slowest_cpu, 1),
        }
        print(f"{kind}: {json.dumps(report[kind])}", file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1))
    sys.exit(1 if any(numbers["wrong"] for numbers in report.values()) else 0)


if __name__ == "__main__":
    main()
