"""Print the table of systems in avfer/models/README.md: published numbers beside what is measured here.

Run it as `python -m tools.zoo`. For every golden in tests/golden the network gets its deterministic weights and is
run; of all outputs, the deviation closest to its tolerance is printed.
"""

import argparse
from pathlib import Path

from avfer.catalog import MODEL_KINDS, NAMES
from avfer.goldens.adapters import verify
from avfer.goldens.golden_files import read_golden
from avfer.goldens.verification import Deviation
from avfer.listed_models import write_listing
from avfer.model_details import figure, listing_lines
from avfer.models.factory import cost_of
from avfer.models.weights import card_of
from tests.test_goldens import MODELS as GOLDENS

FOLDER = Path(__file__).parents[1] / "tests" / "golden"


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listing", action="store_true", help="write the listing of `avfer models list` instead")
    if parser.parse_args().listing:
        write_listing([line for kind in MODEL_KINDS for name in NAMES[kind] for line in listing_lines(name)])
        return
    rows = {name: rows_of(name) for name in dict.fromkeys(GOLDENS.values())}
    print("| name | published | parameters | MACs | goldens | largest deviation |")
    print("|---|---|---|---|---|---|")
    for name in (name for kind in MODEL_KINDS for name in NAMES[kind]):
        card = card_of(name)
        if card.metrics:
            continue  # embedded weights: their cards state what avfer measured
        cost = cost_of(name, card)
        published = ", ".join(figure(p) for p in card.published) or "-"
        macs = f"{cost.macs / 1e9:.2f} G" if cost.macs else "-"
        goldens = ", ".join(golden for golden, owner in GOLDENS.items() if owner == name) or "-"
        worst = largest_deviation(rows[name]) if name in rows else "-"
        print(f"| `{name}` | {published} | {cost.parameters / 1e6:.2f} M | {macs} | {goldens} | {worst} |")


def rows_of(name: str) -> list[Deviation]:
    """Return the deviations of all outputs of all goldens of a network."""
    return [
        row for golden, owner in GOLDENS.items() if owner == name for row in verify(name, read_golden(FOLDER / golden))
    ]


def largest_deviation(rows: list[Deviation]) -> str:
    """Return the deviation closest to its tolerance, and the number of outputs: `1e-06 of 1e-05, 19 outputs`."""
    compared = [row for row in rows if not row.left_out and row.allowed]
    worst = max(compared, key=lambda row: row.found / row.allowed)
    return f"{worst.found:.1e} of {worst.allowed:.1e}, {len(rows)} outputs"


if __name__ == "__main__":
    main()
