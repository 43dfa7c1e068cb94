"""YAML from anybody is parsed within bounds, and every refusal names file and line."""

import re
import time
from pathlib import Path

import pytest

from avfer.configurations import read_text
from avfer.errors import ConfigError
from avfer.yaml_reader import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse_mapping, parse_override, parse_yaml, shown

LAUGHS = "\n".join([
    "a0: &a0 {p: 1, q: 2, r: 3, s: 4, t: 5, u: 6, v: 7, w: 8}",
    *(f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}, r: *a{i - 1}, s: *a{i - 1}, t: *a{i - 1}}}" for i in range(1, 30)),
])  # fmt: skip


def test_plain_values_are_read():
    text = "a: [1, 0.5, .inf, true, null, text, 'quoted']\nb: {c: &x {d: 1}, e: *x, f: {<<: *x, g: 2}}"
    content = parse_yaml(text, "f").content
    assert content["a"] == [1, 0.5, float("inf"), True, None, "text", "quoted"]
    assert content["b"]["e"] == {"d": 1} and content["b"]["f"] == {"d": 1, "g": 2}


@pytest.mark.parametrize("text", ["2024-01-31", "2001-99-99", "2001-12-14t21:59:43.10-05:00", "="])
def test_a_date_is_a_text(text):
    assert parse_yaml(text, "f").content == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, rf"more than {MAX_NODES:,} values, aliases expanded \(f, line [3-9]\)"),
        ("x: &a {y: *a}", r"an alias inside its own anchor \(f, line 1\)"),
        ("\nx: &a [*a]", r"an alias inside its own anchor \(f, line 2\)"),
        ("[" * 5000, rf"more than {MAX_DEPTH} levels of mappings and lists \(f, line 1\)"),
        ("{a: " * 5000, rf"more than {MAX_DEPTH} levels"),
        ("- " * 5000, rf"more than {MAX_DEPTH} levels"),
        ("a: 1\nb: " + "9" * 5000, r"a number of 5,000 characters; at most 40 are read \(f, line 2\)"),
        ("0x" + "f" * 5000, "a number of 5,002 characters"),
        (":".join(["1"] * 4000), "a number of 7,999 characters"),
        ("!!int x", r"'x' is not a number \(f, line 1\)"),
        ("!!bool x", "'x' is not a number"),
        ("a: !!python/object/apply:os.system ['touch PWNED']", "the tag 'python/object/apply:os.system' is not"),
        ("a: !!timestamp 2001-99-99", "the tag 'timestamp' is not allowed"),
        ("a: !!set {x, y}", "the tag 'set' is not allowed"),
        ("a: !!binary aaa", "the tag 'binary' is not allowed"),
        ("a: !own x", "the tag '!own' is not allowed"),
        ("a: 1\nb: {c: 1, c: 2}", r"the key 'c' is repeated; keep one of them \(f, line 2\)"),
        ("[{c: 1, c: 2}]", "the key 'c' is repeated"),
        ("{[a]: 1}", "a key that is a list or a mapping"),
        ('a: "x\\0y"', r"a text with the character U\+0000 \(f, line 1\)"),
        ('a: "\\uD800"', r"a text with the character U\+D800"),
        ("a: b\n c: d", r"not valid YAML: .* \(f, line 2\)"),
        ("a: *b", r"not valid YAML: found undefined alias 'b' \(f, line 1\)"),
        ("a: 1\n---\nb: 2", "not valid YAML: but found another document"),
        ("a: \x07", "f is not valid YAML: unacceptable character"),
        ("# " + "x" * MAX_BYTES, f"at most {MAX_BYTES:,} bytes"),
    ],
)
def test_what_goes_beyond_the_bounds_is_refused_within_a_second(text, message):
    start = time.process_time()
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text, "f")
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("a:\n\tb: 1", "indent with spaces in place of tabs (f, line 2)"),
        ("a:\n  b: 1\n c: 2", "indent the line as its neighbours (f, line 3)"),
        ("a: {b: 1\nc: 2", "close the bracket { in this line or above, or add a comma (f, line 2)"),
        ("a: [1, 2\nb: 3", "close the bracket [ in this line or above, or add a comma (f, line 2)"),
        ("a: {b: 1}}", "remove a bracket (f, line 1)"),
        ("a: b: c", "put a text that contains ': ' in quotes (f, line 1)"),
        ("a: *.mp4", "put a text that begins with * or & in quotes (f, line 1)"),
        ("a: @b", "put a text that begins with this character in quotes (f, line 1)"),
        ("a: 1\nhello\nb: 2", "write KEY: VALUE in the line above (f, line 3)"),
        ("a: 'b", "close the quotes (f, line 1)"),
        ('root: "C:\\data"', r"in double quotes write \\ for \, or use single quotes (f, line 1)"),
    ],
)
def test_a_mistake_in_yaml_is_reported_with_the_way_out(text, way_out):
    with pytest.raises(ConfigError, match=re.escape(way_out)):
        parse_yaml(text, "f")


def test_a_document_at_the_limits_is_read():
    nested = "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1)
    parse_yaml(nested, "f")
    content = parse_yaml("a: &a [" + "1, " * 99 + "]\nb: [" + "*a, " * 190 + "]", "f").content
    assert sum(map(len, content["b"])) == 99 * 190


@pytest.mark.parametrize("text", ["", "7", "[a]", "text", "# nothing"])
def test_a_configuration_is_a_mapping(text):
    with pytest.raises(ConfigError, match="f must be a mapping with stages: and output:, got"):
        parse_mapping(text, "f", "stages: and output:")


def test_the_line_of_a_key_is_known():
    document = parse_yaml("a: 1\nb:\n  c: {d: 1}\n  e: [{f: 1}]\n", "f.yaml")
    assert document.where("b", "c", "d") == "f.yaml, line 3"
    assert document.where("b", "e", "0", "f") == "f.yaml, line 4"
    assert document.where("b", "unknown") == "f.yaml, line 2"
    assert document.where("unknown") == "f.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.b=[", "not valid YAML: .*--set a.b, line 1"),
        ("a.b=" + "[" * 5000, "levels of mappings"),
        ("a.b=" + "9" * 5000, "a number of 5,000 characters"),
        ("x" * 5000, r"--set 'x{70,}\.\.\.: write it as KEY=VALUE"),
        ("=1", "write it as KEY=VALUE"),
    ],
)
def test_an_override_has_the_same_bounds(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_override(text)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path):
    path = tmp_path / "long.yaml"
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="a configuration is YAML of at most"):
        read_text(path)


def test_values_are_shortened_in_messages():
    assert len(shown("x" * 1000)) == 80 and shown(10**5000) == "a int"
