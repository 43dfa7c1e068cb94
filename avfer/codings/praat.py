"""TextGrids of Praat, in the long and the short text format.

Both formats are the same sequence of free-standing texts, numbers and flags; everything else in the file is a comment.
An interval tier covers its whole span; intervals without a label are not marked, but count as coded.
https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from avfer.codings.coding import Coding, Mark, Tier
from avfer.errors import DatasetError

TOKEN = re.compile(
    r'"(?P<text>[^"]*(?:""[^"]*)*)"|(?P<flag><\w+>)'
    r"|(?<!\S)(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)|!.*"
)


class Token(NamedTuple):
    """A text, a number or a flag, and where it is."""

    kind: str  # "text", "number" or "flag"
    content: str
    offset: int  # characters before it


class PraatFormat:
    """Reads one TextGrid. The name of the clip is not in the file."""

    suffixes = (".textgrid",)

    @staticmethod
    def fits(path: Path) -> bool:
        """Return True: the ending decides."""
        return True

    @staticmethod
    def read(path: Path) -> list[Coding]:
        """Return the coding. Raises DatasetError if the file is not a TextGrid, or truncated."""
        tokens = Tokens(path)
        if tokens.text("file type") not in ("ooTextFile", "ooTextFile short") or tokens.text("class") != "TextGrid":
            raise DatasetError(f"{path}: not a TextGrid; in Praat choose Save > Save as text file...")
        for edge in ("start", "end"):
            tokens.number(edge)
        if tokens.next("flag", "flag of tiers").content != "<exists>":
            return [Coding(path, "", ())]
        tiers = tuple(_tier(tokens, path) for _ in range(tokens.count("number of tiers")))
        return [Coding(path, "", tuple(tier for tier in tiers if len(tier)))]


class Tokens:
    """The texts, numbers and flags of a file, one after the other.   path: of the TextGrid"""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = _decode(path)
        found = (match for match in TOKEN.finditer(self._content) if match.lastgroup)
        self._tokens = (Token(str(match.lastgroup), match[str(match.lastgroup)], match.start()) for match in found)

    def next(self, kind: str, content: str) -> Token:
        """Return the next token. Raises DatasetError at the end of the file, or if its kind is another."""
        token = next(self._tokens, None)
        if token is None:
            raise DatasetError(f"{self.path} ends before the {content}; save it again with Praat")
        if token.kind != kind:
            line = self._content.count("\n", 0, token.offset) + 1
            problem = f"the {content} must be a {kind}, got '{token.content[:40]}'"
            raise DatasetError(f"{self.path}, line {line}: {problem}; save it again with Praat")
        return token

    def text(self, content: str) -> str:
        """Return the next text without its quotes."""
        return self.next("text", content).content.replace('""', '"')

    def number(self, content: str) -> float:
        """Return the next number."""
        return float(self.next("number", content).content)

    def count(self, content: str) -> int:
        """Return the next number as a count, >= 0."""
        return max(int(self.number(content)), 0)


def _tier(tokens: Tokens, path: Path) -> Tier:
    """Return the next tier of a file."""
    kind, name = tokens.text("class of a tier"), tokens.text("name of a tier")
    where = f"{path}, tier '{name}'"
    if kind not in ("IntervalTier", "TextTier"):
        raise DatasetError(f"{where}: must be an IntervalTier or a TextTier, got '{kind[:40]}'")
    span = tokens.number("start of a tier"), tokens.number("end of a tier")
    marks: list[Mark] = []
    for _ in range(tokens.count("number of marks")):
        start = tokens.number("time of a mark")
        stop = tokens.number("end of an interval") if kind == "IntervalTier" else start
        marks.append(Mark(start, stop, tokens.text("label")))
    labelled = [mark for mark in marks if mark.value.strip()]
    return Tier.from_marks(name, labelled, where, span=span)


def _decode(path: Path) -> str:
    """Return the text of a file in UTF-8 or UTF-16, the encodings that Praat writes today."""
    raw = path.read_bytes()
    if raw.startswith(b"ooBinaryFile"):
        raise DatasetError(f"{path} is a binary TextGrid; in Praat choose Save > Save as text file...")
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        problem = f"is neither UTF-8 nor UTF-16 (byte 0x{raw[error.start]:02x})"
        raise DatasetError(f"{path} {problem}; save it again with Praat, or as UTF-8") from error
