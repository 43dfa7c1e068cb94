"""Read YAML that may come from a stranger: every configuration and every value of `--set` is parsed here.

The result consists of mappings with plain keys, lists, texts, integers, floats, booleans and None. Refused are: other
tags (`!!python/object`, `!!timestamp`), repeated keys, aliases inside their own anchor, and documents beyond the MAX_
limits below, which also bound what aliases expand to. A date such as 2024-01-31 is a text.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import yaml

from avfer.errors import ConfigError

MAX_BYTES = 256 * 1024  # of a document
MAX_NODES = 20_000  # values of a document, those behind an alias counted at every use
MAX_DEPTH = 20  # mappings and lists inside each other
MAX_NUMBER = 40  # characters of a number
MAX_SHOWN = 80  # characters of a value in a message
CORE = "tag:yaml.org,2002:"
TAGS = {f"{CORE}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
RESOLVERS = {  # first character of a plain text -> tags that it may have; dates stay texts
    first: [(tag, pattern) for tag, pattern in resolvers if tag in TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

WAYS_OUT = {  # part of a message of PyYAML -> what to change; of several that fit, the first one
    r"'\t' that cannot start": "indent with spaces in place of tabs",
    "that cannot start any token": "put a text that begins with this character in quotes",
    "expected alphabetic or numeric character": "put a text that begins with * or & in quotes",
    "mapping values are not allowed": "indent the line as its neighbours, and put a text that contains ': ' in quotes",
    "expected <block end>, but found '}'": "remove a bracket",
    "expected <block end>, but found ']'": "remove a bracket",
    "expected <block end>": "indent the line as its neighbours",
    "expected ',' or '}'": "close the bracket { in this line or above, or add a comma",
    "expected ',' or ']'": "close the bracket [ in this line or above, or add a comma",
    "could not find expected ':'": "write KEY: VALUE in the line above",
    "unexpected end of stream": "close the quotes",
    "unknown escape character": r"in double quotes write \\ for \, or use single quotes",
}

KeyPath = tuple[str, ...]  # keys from the top: ("stages", "boxes")


@dataclass
class YamlDocument:
    """A parsed document, and the line of each of its keys."""

    file: str  # name for messages
    content: Any  # mappings, lists, texts, numbers, booleans and None
    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])  # path of a key -> line, counted from 1
    settings: set[KeyPath] = field(default_factory=set[KeyPath])  # keys whose values were set after the file was read

    def where(self, *path: str) -> str:
        """Return "FILE, line N" for a key, or of the nearest key around it; the file alone for an unknown key.

        For a key that was set after the file was read, for example by `--set`, return "the setting KEY".
        """
        for length in range(len(path), 0, -1):
            if path[:length] in self.settings:
                return f"the setting {'.'.join(path[:length])}"
            if path[:length] in self.lines:
                return f"{self.file}, line {self.lines[path[:length]]}"
        return self.file


def parse_yaml(text: str, file: str) -> YamlDocument:
    """Parse one YAML document. file: its name in messages.

    Raises ConfigError, with file and line, for text that is not YAML or that the module docstring names as refused.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise ConfigError(f"{file} has {len(text):,} characters; YAML of at most {MAX_BYTES:,} bytes is read")
    lines: dict[KeyPath, int] = {}
    try:
        loader = _BoundedLoader(text)
        node = loader.get_single_node()
        if node is None:
            return YamlDocument(file, None)
        _note_lines(node, (), lines)
        return YamlDocument(file, loader.construct_document(node), lines)
    except _RefusedError as error:
        raise ConfigError(f"{error} ({file}, line {error.line})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}, line {mark.line + 1}" if mark else file
        problem = str(error.problem or error.context)
        way_out = next((f"; {text}" for part, text in WAYS_OUT.items() if part in problem), "")
        raise ConfigError(f"not valid YAML: {problem}{way_out} ({place})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from None


def parse_mapping(text: str, file: str, expected: str) -> YamlDocument:
    """Parse YAML whose top level is a mapping.

    `file` names the document in errors, `expected` says what the mapping should contain ("stages: and output:"). Raises
    ConfigError as `parse_yaml`, and if the top level is not a mapping.
    """
    document = parse_yaml(text, file)
    if not isinstance(document.content, dict):
        found = "an empty file" if document.content is None else type(document.content).__name__
        raise ConfigError(f"{file} must be a mapping with {expected}, got {found}")
    return document


def write_yaml(content: Any, **layout: Any) -> str:
    """Return plain values as YAML. layout: options of yaml.safe_dump. Raises ConfigError for other values."""
    try:
        return yaml.safe_dump(content, sort_keys=False, **layout)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"a value cannot be written as YAML: {shown(error.args[-1])}") from None


def parse_override(text: str) -> tuple[str, Any]:
    """Split `tracks.max_gap=1.0` of the option --set into ("tracks.max_gap", 1.0); the value is read as YAML.

    Raises ConfigError if there is no `=`, no key, or the value is not valid YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {shown(text)}: write it as KEY=VALUE, for example stage.option=value")
    return key.strip(), parse_yaml(value, f"--set {key.strip()}").content


def parse_overrides(texts: Iterable[str] | None) -> dict[str, Any]:
    """Return the keys and values of all `--set KEY=VALUE`; of several with one key, the last one counts."""
    return dict(parse_override(text) for text in texts or ())


def shown(value: object) -> str:
    """Return the repr of a value for a message, shortened to MAX_SHOWN characters.

    >>> shown("soon")
    "'soon'"
    """
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


class _RefusedError(Exception):
    """Valid YAML that this module refuses, with its line."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


class _BoundedLoader(yaml.SafeLoader):
    """A safe loader that stops at the limits of this module."""

    yaml_implicit_resolvers = RESOLVERS  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sizes: dict[int, int] = {}  # id of a node -> number of its values, aliases expanded
        self._total = 0
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; count it with all that it contains, an alias with all that its anchor contains."""
        event = self.peek_event()
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(f"more than {MAX_DEPTH} levels of mappings and lists", event)
        before = self._total
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if id(node) not in self._sizes:
                _refuse("an alias inside its own anchor", event)
            self._total += self._sizes[id(node)]
        else:
            self._total += 1
            self._sizes[id(node)] = self._total - before
        if self._total > MAX_NODES:
            _refuse(f"more than {MAX_NODES:,} values, aliases expanded", event)
        _check_node(node)
        return node


def _check_node(node: Any) -> None:
    """Raise _RefusedError for a node of another tag, a long number, or a text with characters that no path can have."""
    if node.tag not in TAGS:
        _refuse(f"the tag {shown(node.tag.removeprefix(CORE))} is not allowed", node)
    if not isinstance(node, yaml.ScalarNode):
        return
    if node.tag in {f"{CORE}int", f"{CORE}float"} and len(node.value) > MAX_NUMBER:
        _refuse(f"a number of {len(node.value):,} characters; at most {MAX_NUMBER} are read", node)
    for character in node.value:
        if character == "\0" or "\ud800" <= character <= "\udfff":
            _refuse(f"a text with the character U+{ord(character):04X}", node)


def _construct_number(convert: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a constructor of numbers that raises _RefusedError in place of ValueError: for `!!int x`, say."""

    def construct(loader: Any, node: Any) -> Any:
        try:
            return convert(loader, node)
        except (ValueError, KeyError, IndexError, OverflowError):
            _refuse(f"{shown(node.value)} is not a number", node)

    return construct


for _name in ("int", "float", "bool"):
    _tag = f"{CORE}{_name}"
    _BoundedLoader.add_constructor(_tag, _construct_number(yaml.SafeLoader.yaml_constructors[_tag]))


def _note_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    """Store the line of every key below a node, items of lists under their index; refuse repeated keys."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(cast(list[yaml.Node], node.value)):
            _note_lines(item, (*path, str(index)), lines)
    if not isinstance(node, yaml.MappingNode):
        return
    keys: set[Hashable] = set()
    for key, value in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
        if not isinstance(key, yaml.ScalarNode):
            _refuse("a key that is a list or a mapping", key)
        if key.tag == f"{CORE}merge":
            continue
        place = (*path, str(key.value))
        if key.value in keys:
            _refuse(f"the key '{key.value}' is repeated; keep one of them", key)
        keys.add(key.value)
        lines[place] = key.start_mark.line + 1
        _note_lines(value, place, lines)


def _refuse(problem: str, node: Any) -> NoReturn:
    raise _RefusedError(problem, node.start_mark.line + 1)
