"""The listing of `avfer models list`, read from a file without torch: constructing every network would take seconds.

`python -m tools.zoo --listing` writes the file from the cards and the networks (`avfer.model_details.listing_lines`); a
test compares both.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from avfer.listing_console import listing_console
from avfer.models.card import MARKS

LISTING = Path(__file__).parent / "models" / "listing.json"
WIDTH = 240  # characters of a line in a file or a pipe
FULL = 160  # characters of a line that has room for all columns
NARROW = ("name", "kind", "task", "licence")  # the columns in a narrower terminal
HEADS = {  # field of ListedModel -> head of its column
    "name": "name",
    "kind": "kind",
    "task": "task",
    "inputs": "inputs",
    "parameters": "parameters",
    "macs": "MACs",
    "licence": "licence of the weights",
    "published": "published",
}


@dataclass(frozen=True)
class ListedModel:
    """The line of a model, or of a second set of its weights; all text as it is printed."""

    name: str  # in the catalog
    kind: str  # "backbone", "affect model", ...
    task: str  # what it predicts
    inputs: str  # "face crop 96x96", or the features that it reads
    parameters: str  # their number: "2.35 M"
    macs: str  # multiply-adds for one input: "134.10 M", or "-"
    licence: str  # of the weights
    published: str  # results, each with the letter of its source
    commercial: bool  # whether the licence of the weights allows commercial use


def read_listing() -> list[ListedModel]:
    """Return the lines of all models in the order of the catalog."""
    return [ListedModel(**line) for line in json.loads(LISTING.read_text(encoding="utf-8"))]


def write_listing(models: list[ListedModel]) -> None:
    """Write the file that `read_listing` reads."""
    LISTING.write_text(json.dumps([asdict(model) for model in models], indent=1, ensure_ascii=False) + "\n", "utf-8")


def print_models(commercial: bool | None = None) -> None:
    """Print one line for each model: kind, task, inputs, cost, licence of the weights and published results.

    The letter after a published result states its source, as explained below the table. A model with a second set of
    embedded weights, for research, has a second line.

    A terminal of less than FULL columns shows the columns NARROW.

    commercial: list only weights whose licence allows commercial use (True), only the others (False), or all.
    """
    console = listing_console(WIDTH)
    shown = HEADS if console.width >= FULL else {field: HEADS[field] for field in NARROW}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for field, head in shown.items():
        number = field in ("parameters", "macs")
        table.add_column(head, justify="right" if number else "left", no_wrap=number or field == "name")
    for model in read_listing():
        if commercial is None or model.commercial == commercial:
            facts = asdict(model)
            table.add_row(*(escape(facts[field]) for field in shown))
    console.print(table)
    console.print("\ntimm:NAME is the network NAME of timm, as a backbone.", highlight=False)
    if "published" not in shown:
        hidden = ", ".join(head for field, head in HEADS.items() if field not in shown)
        console.print(f"Left out below {FULL} columns: {hidden}; avfer models show NAME has them.", highlight=False)
        return
    marks = "; ".join(f"[{mark}] {text}" for mark, text in MARKS.items())
    console.print(f"published: accuracy in % unless another measure is named; {marks}", markup=False)
