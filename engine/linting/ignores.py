"""What a workflow says to let be: of one node in its `_meta` (in a save: its properties), of any in a note.

    {"class_type": ..., "inputs": ..., "_meta": {"title": "half", "weft": {"ignore": ["S106"]}}}

A note has lines of `weft: ignore S106`, of the whole workflow, or `weft: ignore S106, S112 node 8, "then: rabbit"`;
what follows a colon, or stands in parentheses, is the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.registry import Registry
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import OWN, Prompt

_LINE = re.compile(
    r"\bweft:\s*ignore\s+(?P<codes>[A-Z]+\d*\b(?:\s*,\s*[A-Z]+\d*\b)*)(?!\s*,\s*[A-Z])"
    r"(?:\s+nodes?\s+(?P<nodes>[^\n]*))?"
)
"""A line with a code that is none, as S1O1, lets nothing be: neither what it begins with, nor more than was meant."""
_NODE = re.compile(r'\s*(?:"([^"]+)"|([^\s,:;("]+(?::\d+)*))\s*(?:,|$|(?=[:;(])|(?=\s))')
_NOTES = ("Note", "MarkdownNote")
"""The editor's own notes; packs name theirs as Virtual classes."""


@dataclass(frozen=True)
class Ignores:
    """Codes, or their beginnings, by node id; those under None are of the whole workflow."""

    codes: Mapping[str | None, frozenset[str]] = field(default_factory=dict)

    def covers(self, code: str, node_id: str | None) -> bool:
        """Whether a finding with this code is let be."""
        said = self.codes.get(None, frozenset()) | self.codes.get(node_id, frozenset())
        return any(code.startswith(each) for each in said)

    @classmethod
    def of(cls, prompt: Prompt, registry: Registry) -> Ignores:
        """What the nodes and notes of a prompt, and of the save that it came from, say."""
        found: dict[str | None, set[str]] = {}
        for node_id, node in prompt.nodes.items():
            said = node.meta.get(OWN)
            codes = said.get("ignore") if isinstance(said, dict) else None
            if isinstance(codes, list):
                found.setdefault(node_id, set()).update(code for code in codes if isinstance(code, str) and code)
        titles: dict[str, list[str]] = {}
        for text in _notes(prompt.extra_pnginfo.get("workflow"), registry):
            for line in _LINE.finditer(text):
                codes = set(re.split(r"\s*,\s*", line["codes"]))
                if line["nodes"] is None:
                    found.setdefault(None, set()).update(codes)
                    continue
                if not titles:
                    for node_id in prompt.nodes:
                        titles.setdefault(title_of(prompt, node_id, registry), []).append(node_id)
                for name in _names(line["nodes"]):
                    for node_id in [name] if name in prompt.nodes else titles.get(name, ()):
                        found.setdefault(node_id, set()).update(codes)
        return cls({node_id: frozenset(codes) for node_id, codes in found.items()})


def _names(text: str) -> Iterator[str]:
    """The nodes at the beginning of a text, ids or titles in quotation marks, with commas between them."""
    at = 0
    while found := _NODE.match(text, at):
        yield found[1] or found[2]
        at = found.end()
        if not found[0].rstrip().endswith(","):
            return


def _notes(document: Any, registry: Registry) -> Iterator[str]:
    """The texts of the notes of a save, those inside subgraphs too."""
    if not isinstance(document, dict):
        return
    kinds = registry.packs.frontend.virtual
    for node in document.get("nodes") or ():
        if not isinstance(node, dict):
            continue
        virtual = kinds.get(str(node.get("type")))
        if node.get("type") in _NOTES or (virtual is not None and virtual.kind is NodeKind.NOTE):
            values = node.get("widgets_values")
            values = values.values() if isinstance(values, dict) else values if isinstance(values, list) else ()
            yield from (value for value in values if isinstance(value, str))
    definitions = document.get("definitions")
    for graph in definitions.get("subgraphs") or () if isinstance(definitions, dict) else ():
        yield from _notes(graph, registry)
