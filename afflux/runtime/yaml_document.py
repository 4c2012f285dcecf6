"""YAML to document nodes: every scalar as its own text, every node with its line.

The file is composed, not constructed: `2.50` stays `2.50` and never becomes a float.
"""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode

from afflux.kernel.document import Entry, Listing, Node, Problems, Table, Text
from afflux.runtime.refused import Refused

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_DEPTH = 40


def load_document(path: Path, problems: Problems) -> Node:
    """Return the one document of a file; a syntax error goes to `problems`.

    Errors: Refused when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 text: {error}") from error
    return parse_document(text, problems)


def parse_document(text: str, problems: Problems) -> Node:
    """Return the one document of a text; a syntax error goes to `problems`."""
    try:
        root = YAML(typ="rt").compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        problems.add(mark.line + 1 if mark else 1, "", f"not YAML: {message}")
        return Text(1, "", null=True)
    except YAMLError as error:
        problems.add(1, "", f"not YAML: {str(error).splitlines()[0]}")
        return Text(1, "", null=True)
    return Text(1, "", null=True) if root is None else _node(root, problems, 0)


def _node(node: YamlNode, problems: Problems, depth: int) -> Node:
    line = node.start_mark.line + 1
    if depth > _DEPTH:
        problems.add(line, "", f"nested more than {_DEPTH} deep")
        return Text(line, "", null=True)
    match node:
        case MappingNode():
            return Table(line, tuple(_entries(node, problems, depth)))
        case SequenceNode():
            return Listing(line, tuple(_node(item, problems, depth + 1) for item in node.value))
        case _:
            return Text(line, str(node.value), null=str(node.tag) == _NULL)


def _entries(node: MappingNode, problems: Problems, depth: int) -> list[Entry]:
    own: list[Entry] = []
    merged: list[Entry] = []
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            problems.add(line, "", "a key must be a single word")
        elif str(key.tag) == _MERGE:
            merged += _merged(value, problems, depth)
        else:
            own.append(Entry(line, str(key.value), _node(value, problems, depth + 1)))
    names = {entry.name for entry in own}
    return own + [entry for entry in merged if entry.name not in names]


def _merged(value: YamlNode, problems: Problems, depth: int) -> list[Entry]:
    """Return the entries of `<<: *name` or `<<: [*one, *two]`; the first one named wins."""
    sources = value.value if isinstance(value, SequenceNode) else [value]
    found: dict[str, Entry] = {}
    for source in sources:
        if isinstance(source, MappingNode) and depth < _DEPTH:
            for entry in _entries(source, problems, depth + 1):
                found.setdefault(entry.name, entry)
        else:
            problems.add(source.start_mark.line + 1, "<<", "only a mapping can be merged")
    return list(found.values())
