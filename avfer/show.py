"""The catalog's models and their cards, for people."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from avfer.catalog import MODELS, NAMES, kind_of
from avfer.errors import WeightsError
from avfer.networks import count_macs, create
from avfer.weights import BUILTIN, Card, builtin_card


def print_models() -> None:
    """One line a model."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("name", "kind", "task", "inputs"):
        table.add_column(name)
    for name in ("parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("weights")
    for kind in MODELS:
        for name in NAMES[kind]:
            table.add_row(*map(escape, _line(kind, name)))
    _wide().print(table)


def print_card(name: str) -> None:
    """All that is known of a model."""
    kind_of(name)  # an unknown name ends here, with the nearest one
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _facts(name):
        table.add_row(label, escape(text))
    _wide().print(table)


def card_of(name: str) -> Card | None:
    """The card of the embedded weights; None where there are none."""
    try:
        return builtin_card(name)
    except WeightsError:
        return None


def _line(kind: str, name: str) -> list[str]:
    card = card_of(name)
    if card is None:
        return [name, kind, "-", "-", _cost(name, None)[0], "-", _elsewhere(kind)]
    return [name, kind, card.task, _inputs(kind, card), *_cost(name, card), card.licence_weights or "-"]


def _facts(name: str) -> list[tuple[str, str]]:
    kind, card = kind_of(name), card_of(name)
    parameters, macs = _cost(name, card)
    facts = [("name", name), ("kind", kind), ("parameters", parameters), ("MACs", macs)]
    if card is None:
        return [*facts, ("weights", _elsewhere(kind))]
    facts[2:2] = [("task", card.task), ("description", card.description), ("inputs", _inputs(kind, card))]
    facts += [
        ("features", str(card.features or "-")),
        ("classes", ", ".join(card.classes) or "-"),
        ("action units", ", ".join(card.action_units) or "-"),
        ("data", card.data or "-"),
        ("licence of the code", card.licence_code),
        ("licence of the weights", card.licence_weights or "-"),
        ("sources", "\n".join(card.sources) or "-"),
        ("file", (BUILTIN / f"{name}.safetensors").name),
        ("sha256", card.sha256 or "-"),
    ]
    return [*facts, *((metric.name, f"{metric.value:.4g} ({metric.protocol})") for metric in card.metrics)]


def _inputs(kind: str, card: Card) -> str:
    if card.inputs:
        return ", ".join(f"{name} ({width})" for name, width in card.inputs.items())
    if kind == "voice backbone":
        return "log-mel patch 96x64"
    return f"face crop {card.size}x{card.size}" if card.size else "-"


def _cost(name: str, card: Card | None) -> tuple[str, str]:
    """Parameters and multiply-adds for one input, short."""
    try:
        parameters = sum(p.numel() for p in create(name).parameters())
    except (ImportError, TypeError, AttributeError):  # code outside torch, or not made without options
        return "-", "-"
    macs = count_macs(name, card) if card else None
    return _short(parameters), _short(macs) if macs else "-"


def _short(count: int) -> str:
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return str(count)


def _elsewhere(kind: str) -> str:
    return "in the package facenet-pytorch (MIT)" if kind == "detector" else "none here; give a path"


def _wide() -> Console:
    """Standard output; lines are not cut where it is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=200)
