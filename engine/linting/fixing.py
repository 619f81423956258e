"""Edits of inputs, written into the text of a workflow: nothing else in it changes, not a space.

An edit stands where it surely gives the prompt that was meant, and no other: the new text is read, and compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weft.engine.documents import pointer, value_at
from weft.engine.errors import WeftError
from weft.engine.formats.conversion import ConvertedPrompt
from weft.engine.formats.sources import SourceFile, open_file
from weft.engine.linting.findings import LintFinding
from weft.engine.positions import spans
from weft.engine.workflow.prompt import Prompt, read_json

Edits = Mapping[tuple[str, str], Any]
Read = Callable[[SourceFile], Prompt]
Look = Callable[[Prompt], Sequence[LintFinding]]

_MOST = 100
"""Mendings of one file; two that undo each other end before."""


class Mended(NamedTuple):
    """A file after its mending: its text, what was mended, and what is left, with the prompt that it is now."""

    text: str
    prompt: Prompt
    fixed: Sequence[LintFinding]
    left: Sequence[LintFinding]


def mended(file: SourceFile, read: Read, look: Look, *, ui: bool = False) -> Mended:
    """Mend what has edits, one finding after the other, looking again after each. The file itself is not touched."""
    prompt = read(file)
    findings = look(prompt)
    fixed: list[LintFinding] = []
    seen = {file.text}
    while file.text and len(fixed) < _MOST:
        for mending in _mendings(findings):
            edits = {key: value for finding in mending for key, value in finding.edits.items()}
            text = edited(file, prompt, edits, read, ui=ui)
            if text is not None and text not in seen:
                break
        else:
            break
        seen.add(text)
        fixed += mending
        file = _opened(text, file.name, ui)
        prompt = read(file)
        findings = look(prompt)
    return Mended(file.text, prompt, fixed, findings)


def _mendings(findings: Sequence[LintFinding]) -> Iterator[Sequence[LintFinding]]:
    """What is mended at once: a finding alone, else all of a rule, which may be one place of a subgraph used twice."""
    with_edits = [each for each in findings if each.edits]
    yield from ([each] for each in with_edits)
    rules = {each.rule.code: [one for one in with_edits if one.rule is each.rule] for each in with_edits}
    yield from (several for several in rules.values() if len(several) > 1)


def edited(file: SourceFile, prompt: Prompt, edits: Edits, read: Read, *, ui: bool = False) -> str | None:
    """The text of a file in which inputs have other values; None where the text has no place for one of them."""
    places: dict[str, Any] = {}
    for (node_id, name), value in edits.items():
        for place in _places(file, prompt, node_id, name):
            places[place] = value
    found = spans(file.text, places)
    if len(found) < len(places) or not places:
        return None
    text = file.text
    for place, (begin, end) in sorted(found.items(), key=lambda each: each[1], reverse=True):
        text = text[:begin] + _written(places[place]) + text[end:]
    wanted = prompt.with_values(edits)
    try:
        given = read(_opened(text, file.name, ui))
    except WeftError:
        return None
    return text if _same(given, wanted) else None


def _opened(text: str, name: str, ui: bool) -> SourceFile:
    found = open_file(text.lstrip("\ufeff"), ui=ui)
    return SourceFile(name, found.workflow, text)


def _places(file: SourceFile, prompt: Prompt, node_id: str, name: str) -> Iterator[str]:
    """The pointers to where an input's value stands in a text; a save may have it by its name, too."""
    if not isinstance(prompt, ConvertedPrompt):
        yield prompt.at(node_id, name)
        return
    place = prompt.place(node_id, name)
    yield place
    item, _ = prompt.origin(node_id, name)
    named = item.pointer + pointer("widgets_values_named", name)
    if named != place and place.startswith(item.pointer):
        try:
            value_at(read_json(file.text, file.name), named)
        except LookupError:
            return
        yield named


def _same(one: Prompt, other: Prompt) -> bool:
    return one.classes == other.classes and all(
        node.inputs == other.nodes[node_id].inputs for node_id, node in one.nodes.items()
    )


def _written(value: Any) -> str:
    """A value as the editor writes it: 1.0 is 1."""
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, ensure_ascii=False)
