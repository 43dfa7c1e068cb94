"""The README's table of systems (python -m tools.zoo): published numbers beside what is measured here.

For every golden in tests/golden the network is filled and run; the deviation printed is the largest of all outputs,
as a share of what is allowed.
"""

from pathlib import Path

from avfer.catalog import MODEL_KINDS, NAMES
from avfer.goldens.read import read
from avfer.goldens.run import Deviation, verify
from avfer.models.card import Published
from avfer.models.cost import cost_of
from avfer.models.weights import card_of
from tests.test_goldens import MODELS as GOLDENS

FOLDER = Path(__file__).parents[1] / "tests" / "golden"


def main() -> None:
    """Print the table."""
    rows = {name: rows_of(name) for name in dict.fromkeys(GOLDENS.values())}
    print("| name | published | parameters | MACs | goldens | largest deviation |")
    print("|---|---|---|---|---|---|")
    for name in (name for kind in MODEL_KINDS for name in NAMES[kind]):
        card = card_of(name)
        if card.metrics:
            continue  # our own weights: measured, not published
        cost = cost_of(name, card)
        published = ", ".join(figure(p) for p in card.published) or "-"
        macs = f"{cost.macs / 1e9:.2f} G" if cost.macs else "-"
        goldens = ", ".join(golden for golden, owner in GOLDENS.items() if owner == name) or "-"
        worst = told(rows[name]) if name in rows else "-"
        print(f"| `{name}` | {published} | {cost.parameters / 1e6:.2f} M | {macs} | {goldens} | {worst} |")


def figure(published: Published) -> str:
    """A published number with its mark; its metric where that is not the accuracy."""
    metric = "" if published.metric == "accuracy %" else f"{published.metric} "
    return f"{published.data} {metric}{published.value:g} [{published.mark}]"


def rows_of(name: str) -> list[Deviation]:
    """All outputs of all goldens of a network."""
    return [row for golden, owner in GOLDENS.items() if owner == name for row in verify(name, read(FOLDER / golden))]


def told(rows: list[Deviation]) -> str:
    """The output that comes nearest to its tolerance."""
    run = [row for row in rows if not row.left_out and row.allowed]
    worst = max(run, key=lambda row: row.found / row.allowed)
    return f"{worst.found:.1e} of {worst.allowed:.1e}, {len(rows)} outputs"


if __name__ == "__main__":
    main()
