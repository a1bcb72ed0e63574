"""A YAML file as plain keys and values with their lines, or what is wrong with it.

The one door to yaml. Files may come from strangers: there are no tags, anchors or aliases, nothing
is constructed but text, numbers, true/false, lists and keys with values, and size, depth and number
of values are bounded before anything is built. Scalars follow YAML 1.2: `yes` and `12:30` are text.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reage.manifest.problems import Finding, KeyPath, Problem, shown

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16
MAX_VALUES = 20_000

_EXPECTED = "keys and values, as in show: demo"

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"


@dataclass(frozen=True)
class Document:
    """What a manifest file says, before any model has judged it.

    Attributes:
        values: The file's keys and values.
        lines: Line (from 1) of every key path, the file's own `()` included.
        text: The file as it was read.
    """

    values: dict[str | int, Any]
    lines: dict[KeyPath, int]
    text: str

    def line_of(self, key: KeyPath) -> int:
        """Returns the line of a key path, or of the nearest place around it that is in the file."""
        while key not in self.lines:
            key = key[:-1]
        return self.lines[key]


class _Refused(Exception):
    """Something in the YAML that ends the reading."""

    def __init__(self, line: int | None, got: str, expected: str, cure: str | None = None) -> None:
        super().__init__(got)
        self.line = line
        self.finding = Finding((), got, expected, cure)


def read_document(path: Path) -> Document | list[Problem]:
    """Reads a file as YAML: keys and values with their lines, or what is wrong with it."""
    try:
        text = _read_text(path)
        root = _compose(text)
        if not isinstance(root, yaml.MappingNode):
            got = "an empty file" if root is None else f"{_NODE_NAMES[type(root)]} at the top"
            raise _Refused(_line(root) if root else None, got, _EXPECTED)
        plain = _Plain()
        values = plain.mapping(root, ())
    except _Refused as refused:
        return [Problem(str(path), refused.line, refused.finding)]
    if plain.findings:
        return [Problem(str(path), line, finding) for line, finding in plain.findings]
    return Document(values, plain.lines, text)


def _read_text(path: Path) -> str:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _Refused(None, "no regular file", "a YAML file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Refused(None, "no such file", "a YAML file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _Refused(None, str(reason).lower(), "a file that can be read") from None
    if len(data) > MAX_BYTES:
        raise _Refused(None, f"more than {MAX_BYTES} bytes", f"at most {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte 0x{data[error.start]:02x}"
        raise _Refused(line, got, "UTF-8 text", "save the file as UTF-8") from None


class _Loader(yaml.SafeLoader):
    """Composes nodes, refusing what a manifest has no use for as soon as it is seen."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - filled below; the parent's are YAML 1.1

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            mark = f"{'*' if isinstance(event, yaml.AliasEvent) else '&'}{event.anchor}"[:40]
            raise _Refused(line, mark, "no anchors and aliases", "write the value out")
        if event.tag is not None:
            raise _Refused(line, f"the tag {event.tag[:60]!r}", "no tags", "write the plain value")
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(line, f"{self._depth} levels", f"at most {MAX_DEPTH}")
        if self._count > MAX_VALUES:
            raise _Refused(line, f"over {MAX_VALUES} values", "fewer keys and values")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)

_NODE_NAMES = {yaml.ScalarNode: "a single value", yaml.SequenceNode: "a list"}


def _compose(text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        got = f"the control character U+{int(error.character):04X}"
        raise _Refused(line, got, "printable text") from None
    except yaml.MarkedYAMLError as error:
        raise _syntax(error) from None


def _syntax(error: yaml.MarkedYAMLError) -> _Refused:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    words = error.problem or error.context or "text that is not YAML"
    if "'\\t'" in words:
        return _Refused(line, "a tab", "spaces", "indent with two spaces")
    if error.context == "expected a single document in the stream":
        return _Refused(line, "a second document", "one manifest a file", "remove the --- line")
    if error.context == "while scanning a quoted scalar" and error.context_mark:
        line = error.context_mark.line + 1
        return _Refused(line, "a quote that is never closed", "a closing quote")
    cure = "look for a missing quote, colon or indent on this line or the one before"
    return _Refused(line, f"text that is not YAML ({words})", _EXPECTED, cure)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


@dataclass
class _Plain:
    """Turns nodes into plain values, noting the line of each key path."""

    lines: dict[KeyPath, int] = field(default_factory=lambda: {(): 1})
    findings: list[tuple[int, Finding]] = field(default_factory=list)

    def value(self, node: yaml.Node, key: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*key, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def mapping(self, node: yaml.MappingNode, key: KeyPath) -> dict[str | int, Any]:
        values: dict[str | int, Any] = {}
        for key_node, value_node in node.value:
            name = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else key_node.value
            line = _line(key_node)
            if isinstance(name, bool) or not isinstance(name, str | int):
                got = f"the key {shown(name)}"
                self.findings.append((line, Finding(key, got, "a name or a frame number as key")))
                continue
            path = (*key, name)
            if name in values:
                expected = f"each key once (first on line {self.lines[path]})"
                self.findings.append((line, Finding(path, "the same key again", expected)))
                continue
            self.lines[path] = line
            values[name] = self.value(value_node, path)
        return values

    def _item(self, node: yaml.Node, key: KeyPath) -> Any:
        self.lines[key] = _line(node)
        return self.value(node, key)


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return text.lower() == "true"
    if node.tag == _INT:
        return int(text)
    return float(text) if node.tag == _FLOAT else _whole_characters(text, _line(node))


def _whole_characters(text: str, line: int) -> str:
    """Joins the surrogate pairs that JSON writers escape characters to."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise _Refused(line, "half a surrogate pair", "whole characters") from None
