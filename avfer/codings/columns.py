"""Which column of avfer's tables a tier of a coding is about, by its name or by the user's choice.

    tier                                column
    valence, arousal                    the same; values are numbers in [-1, 1]
    expression                          expression; values are names of classes
    AU12, au12, "AU 12"                 au12; a mark is present, no mark (or the values 0, no, absent) absent
    happiness, joy, ... (any class)     expression; a mark has this class, unless its value is 0, no or absent

Case, blanks, `-` and `_` in names do not matter. A tier that `avfer export` made, "person 1 expression", is read as
`expression` of the subject "person 1". Other tiers have no column unless the user maps them.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from avfer.codings.coding import OWN_TIER, Coding, Tier
from avfer.datasets.example import DIMENSIONS
from avfer.datasets.table_rows import EXPRESSIONS, class_name
from avfer.errors import ConfigError, DatasetError, unknown

ACTION_UNIT = re.compile(r"au_?0*([1-9][0-9]?)")
PROBABILITY = "p_"  # start of the column of a class: p_happiness
EXPRESSION = "expression"


class CodedColumn(NamedTuple):
    """A column, and the class that a tier for a single class codes."""

    name: str  # "valence", "expression", "au12"
    class_name: str = ""  # "happiness"; empty if the values of the marks name the class


def column_of(name: str) -> CodedColumn | None:
    """Return the column that a name of a tier or column means, None if it means none.

    >>> column_of("AU 12"), column_of("Joy"), column_of("p_awe"), column_of("gesture")
    (CodedColumn(name='au12', class_name=''), CodedColumn(name='expression', class_name='happiness'), \
CodedColumn(name='expression', class_name='awe'), None)
    """
    own = OWN_TIER.fullmatch(name)
    word = re.sub(r"[\s-]+", "_", (own[2] if own else name).strip().lower())
    if word in (*DIMENSIONS, EXPRESSION):
        return CodedColumn(word)
    if unit := ACTION_UNIT.fullmatch(word):
        return CodedColumn(f"au{int(unit[1]):02d}")
    if word.startswith(PROBABILITY) and len(word) > len(PROBABILITY):
        return CodedColumn(EXPRESSION, class_name(word.removeprefix(PROBABILITY)))
    return CodedColumn(EXPRESSION, class_name(word)) if class_name(word) in EXPRESSIONS else None


def parse_tier_mapping(texts: list[str]) -> dict[str, CodedColumn]:
    """Return the columns of tiers that a user mapped.   texts: "smile=AU12", "lachen=happiness"

    Raises ConfigError for a text without `=`, an unknown column, or a tier that is mapped twice.
    """
    mapping: dict[str, CodedColumn] = {}
    for text in texts:
        tier, sign, target = text.rpartition("=")
        column = column_of(target)
        if not sign or not tier.strip() or column is None:
            names = "valence, arousal, expression, an action unit such as AU12, or a class such as happiness or p_awe"
            raise ConfigError(f"--map: must be TIER=COLUMN, where COLUMN is {names}; got '{text}'")
        if tier.strip() in mapping:
            raise ConfigError(f"--map: the tier '{tier.strip()}' is mapped twice; keep one column")
        mapping[tier.strip()] = column
    return mapping


def check_mapping(codings: list[Coding], mapping: Mapping[str, CodedColumn]) -> None:
    """Raise ConfigError if a mapped tier is in none of the codings."""
    names = {tier.name for coding in codings for tier in coding.tiers}
    for name in mapping:
        if name not in names:
            raise ConfigError(f"--map: {unknown('tier', name, names)}")


def tiers_by_column(
    coding: Coding, mapping: Mapping[str, CodedColumn], subject: str | None = None
) -> dict[str, list[tuple[Tier, str]]]:
    """Return the tiers of each column, each with the class that it codes, "" for none.

    subject: the person whose tiers are used, with those of no subject; None if only one person is coded.
    Raises ConfigError if several people are coded and `subject` is None, or if it is unknown; DatasetError if no tier
    has a column.
    """
    subjects = coding.subjects
    if subject is None and len(subjects) > 1:
        raise ConfigError(f"{coding.path} codes several people: {', '.join(subjects)}; choose one with --subject")
    if subject is not None and subject not in subjects:
        raise ConfigError(f"{coding.path}: {unknown('subject', subject, subjects)}")
    found: dict[str, list[tuple[Tier, str]]] = {}
    for tier in coding.tiers:
        column = mapping.get(tier.name) or column_of(tier.name)
        if column is not None and (subject is None or tier.subject in ("", subject)):
            found.setdefault(column.name, []).append((tier, column.class_name))
    if not found:
        names = ", ".join(f"'{tier.name}'" for tier in coding.tiers) or "none"
        raise DatasetError(
            f"{coding.path}: no tier is named after a column (valence, arousal, expression, AU12, happiness); found:"
            f" {names}; map one with --map TIER=COLUMN"
        )
    return found
