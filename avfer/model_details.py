"""The facts of one model: its card (`avfer models show`), its deviations from a golden (`avfer models verify`), and its
lines in the file that `avfer.listed_models` reads.
"""

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from avfer.catalog import kind_of
from avfer.errors import counted
from avfer.goldens.golden_files import read_golden
from avfer.listed_models import WIDTH, ListedModel, read_listing
from avfer.listing_console import listing_console
from avfer.models.card import MARKS, Card, Published
from avfer.models.card_files import BUILTIN, builtin_card
from avfer.models.factory import cost_of
from avfer.models.network import Network, VoiceNetwork, find_network
from avfer.models.weights import EMBEDDED, ReadsPackage, card_of
from avfer.signal.log_mel import BANDS

LABEL = 28  # characters, the least width of the labels of a card; a longer label is wrapped
UNPUBLISHED = ("", "none published")  # licences of weights on the cards of networks without a checkpoint of the authors


def print_card(name: str) -> None:
    """Print the facts on the card of a model, a line for each: inputs, classes, data, licences, sources, results.

    name: of the catalog or `timm:NAME`; the card of its weights for research follows. Raises ConfigError, with the
    nearest known name, if it is unknown.
    """
    console = listing_console(WIDTH)
    for shown, card in sets_of_weights(name):
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", max_width=max(LABEL, console.width // 3))
        table.add_column(overflow="fold")
        for label, text in _facts(name, shown, card):
            table.add_row(label, escape(text))
        console.print(table)


def print_deviations(name: str, folder: Path) -> bool:
    """Compare a model with the golden in a folder and print one line for each stored output, then a conclusion.

    Return whether at least one output was compared and all of them lie within their tolerance.
    Raises ConfigError if the folder is no golden or the model has no code that runs goldens.
    """
    from avfer.goldens.adapters import verify  # imports every network, which takes seconds

    golden = read_golden(folder)
    deviations = verify(name, golden)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("case", "output"):
        table.add_column(column)
    for column in ("deviation", "allowed"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in deviations:
        remark = f"left out: {row.left_out}" if row.left_out else ("" if row.fine else "differs")
        if row.precision != "float32":
            remark = f"{remark} in {row.precision}; float32 of this machine exceeds the tolerance".strip()
        found = "-" if row.left_out else f"{row.found:.1e}"
        table.add_row(*map(escape, (row.case, row.output, found, f"{row.allowed:.1e}", remark)))
    console = listing_console(WIDTH)
    console.print(table)
    compared = [row for row in deviations if not row.left_out]
    if not compared:
        console.print(f"{name} against {golden.name}: nothing could be compared", highlight=False)
        return False
    worst = max(compared, key=lambda row: (not row.fine, row.found / max(row.allowed, 1e-12)))
    wrong = sum(not row.fine for row in compared)
    outputs = counted(len(compared), "output")
    result = f"{wrong} of {outputs} outside the tolerance" if wrong else f"{outputs} within the tolerance"
    largest = f"largest deviation {worst.found:.1e} of {worst.allowed:.1e} allowed ({worst.case}, {worst.output})"
    console.print(f"{name} against {golden.name}: {result}; {largest}", highlight=False, markup=False)
    return not wrong


def sets_of_weights(name: str) -> list[tuple[str, Card]]:
    """Return the sets of weights of a model: the text that names each, and its card."""
    research = EMBEDDED["research"].format(name=name)
    others = [(f"{name} (research)", builtin_card(research))] if (BUILTIN / f"{research}.json").exists() else []
    return [(name, card_of(name)), *others]


def listing_lines(name: str) -> list[ListedModel]:
    """Compute the lines of a model of the catalog for the listing, one for each set of its weights."""
    kind = kind_of(name)
    return [
        ListedModel(
            shown,
            kind,
            card.task,
            _inputs(kind, card),
            *_cost(name, card),
            _licence(card),
            ", ".join(figure(one) for one in card.published) or "-",
            card.commercial,
        )
        for shown, card in sets_of_weights(name)
    ]


def _facts(name: str, shown: str, card: Card) -> list[tuple[str, str]]:
    """Return the lines of a card as (label, text); facts that the card lacks are left out."""
    kind = kind_of(name)
    stored = [(model.parameters, model.macs) for model in read_listing() if model.name == shown]
    parameters, macs = stored[0] if stored else _cost(name, card)
    facts = [
        ("name", shown),
        ("kind", kind),
        ("task", card.task),
        ("description", card.description),
        ("layout", card.layout),
        ("inputs", _inputs(kind, card)),
        ("parameters", parameters),
        ("MACs", "" if macs == "-" else f"{macs} for one input"),
        ("features", str(card.features or "")),
        ("classes", ", ".join(card.classes)),
        ("temperature", f"{card.temperature:g}" if card.temperature != 1 else ""),
        *((f"order of {o.name}", ", ".join(o.classes) + ("" if o.proven else " (not proven)")) for o in card.orders),
        ("action units", ", ".join(card.action_units)),
        ("mean, std", f"{_numbers(card.mean)}; {_numbers(card.std)} ({card.colour.upper()}, of [0, 1])"),
        ("data", card.data),
        ("licence of the code", card.licence_code),
        ("licence of the weights", _licence(card)),
        ("use of the weights", "commercial" if card.commercial else "research"),
        ("ONNX", "can be exported" if card.onnx else ""),
        ("sources", "\n".join(card.sources)),
        ("file", _file(name, EMBEDDED["research"].format(name=name) if shown != name else name, card)),
        ("sha256", card.sha256 or ""),
        *((f"published: {p.data}", f"{p.value:g} {p.metric} [{p.mark}: {MARKS[p.mark]}]") for p in card.published),
        *((f"measured: {m.name}", f"{m.value:.4g} ({m.protocol})") for m in card.metrics),
    ]
    return [(label, text) for label, text in facts if text and (label != "mean, std" or card.mean)]


def figure(published: Published) -> str:
    """Return a published number with its mark, and with its metric unless that is the accuracy in %.

    >>> figure(Published(data="RAF-DB", value=92.05, mark="R"))
    'RAF-DB 92.05 [R]'
    """
    metric = "" if published.metric == "accuracy %" else f"{published.metric} "
    return f"{published.data} {metric}{published.value:g} [{published.mark}]"


def _numbers(values: list[float]) -> str:
    """Return numbers with up to six digits, separated by commas."""
    return ", ".join(f"{value:.6g}" for value in values)


def _file(name: str, stem: str, card: Card) -> str:
    """Describe where the weights of a model are found. stem: name of the embedded file, if there is one."""
    if (BUILTIN / f"{stem}.safetensors").exists():
        return f"{stem}.safetensors, in the package"
    network = find_network(name, Network)
    if issubclass(network, ReadsPackage):
        return "\n".join(str(path) for path in network.weight_paths())
    way = (
        "`avfer train` makes one"
        if card.licence_weights in UNPUBLISHED
        else "`avfer models import` converts the authors' file"
    )
    return f"not in the package; {way}"


def _licence(card: Card) -> str:
    """Return the licence of the weights; "not stated" if the authors state none."""
    return card.licence_weights or "not stated"


def _inputs(kind: str, card: Card) -> str:
    """Describe what one call of the network reads: a face crop, sound, a log-mel patch, or features by width."""
    if kind == "speech detector":
        return "sound"
    if kind == "voice backbone":
        columns = find_network(card.name, VoiceNetwork).frames.columns
        return f"{'log-mel patch' if columns == BANDS else 'patch of voice frames'} 96x{columns}"
    if card.size:
        side = f"{card.size}x{card.size}"
        if not card.inputs:
            return f"face crop {side}"
        return f"face crops {side} in sequence" + (", log-mel patches" if "voice" in card.inputs else "")
    others = {"detector": "picture", "backbone": "face crop"}  # detectors read any size, as do networks without a card
    return ", ".join(f"{name} ({width})" for name, width in card.inputs.items()) or others.get(kind, "")


def _cost(name: str, card: Card) -> tuple[str, str]:
    """Return the number of parameters and of multiply-adds for one input, abbreviated: ("11.18 M", "1.82 G")."""
    cost = cost_of(name, card)
    return _abbreviated(cost.parameters), _abbreviated(cost.macs) if cost.macs else "-"


def _abbreviated(count: int) -> str:
    """Return a number with two decimals and a unit: 11180000 is "11.18 M"."""
    for unit, name in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return str(count)
