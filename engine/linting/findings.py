"""Rules over a prompt -> what they find that nobody has said to let be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weft.engine.errors import DefinitionError, Issue
from weft.engine.folders import Folders
from weft.engine.linting.ignores import Ignores
from weft.engine.linting.rules import LintRule, Remark, Severity
from weft.engine.linting.view import LintView
from weft.engine.schema.packs import Packs, resolve
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings
from weft.engine.workflow.prompt import Prompt


@dataclass(frozen=True)
class LintFinding:
    """What a rule has found: the rule, its remark, and where the saved workflow has it.

    `issue` says it as an issue is said: code, message, node, input, pointer; its hint is the fix. `edits` are values by
    node id and input name. `refused`: it keeps the workflow from running.
    """

    rule: LintRule
    issue: Issue
    edits: Mapping[tuple[str, str], Any]
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.rule.code} {self.issue}"

    @property
    def note(self) -> Issue:
        """It as one of the notes on a workflow: the code before what it says."""
        return replace(self.issue, message=f"{self.rule.code}, {self.issue.message}")

    @property
    def refusal(self) -> Issue:
        """It as what keeps the workflow from running: a check of the node's own, to ComfyUI."""
        return replace(self.note, code="custom_validation_failed")

    def to_json(self) -> dict[str, Any]:
        """The finding as plain JSON data; what is empty is left out."""
        said = self.issue.to_json()
        said["code"] = said.pop("type")
        if "hint" in said:
            said["fix"] = said.pop("hint")
        edits = [{"node_id": node_id, "input": name, "value": value} for (node_id, name), value in self.edits.items()]
        head = {"code": self.rule.code, "name": self.rule.name, "severity": self.rule.severity.value}
        refused = {"refused": True} if self.refused else {}
        return {**head, **refused, **said, **({"edits": edits} if edits else {})}


def rules_of(packs: Packs) -> tuple[LintRule, ...]:
    """The rules of all packs, by code. Raises DefinitionError naming the pack that failed at it."""
    found: dict[str, LintRule] = {}
    for pack in (pack for pack in packs if pack.lint):
        where = f"node pack {pack.name!r}: its lint rules"
        try:
            rules = resolve(pack.lint)
        except DefinitionError as error:
            raise DefinitionError(f"{where}: {error.message}") from error
        for each in rules:
            if not isinstance(each, LintRule):
                raise DefinitionError(f"{where}: expected a LintRule, got {each!r:.200}")
            if each.code in found:
                raise DefinitionError(f"{where}: there is a rule {each.code} already")
            found[each.code] = each
    return tuple(sorted(found.values(), key=lambda rule: rule.code))


def lint(
    prompt: Prompt, registry: Registry, settings: Settings, rules: Iterable[LintRule], folders: Folders | None = None
) -> list[LintFinding]:
    """What these rules find in a prompt, in the order of the document; not what the workflow says to let be.

    A node of which nothing is known, or what else is wrong with the prompt, keeps no rule from looking at the rest.
    """
    view = LintView(prompt, registry, settings, folders)
    ignored = Ignores.of(prompt, registry)
    found = [_placed(rule, remark, prompt) for rule in rules for remark in _remarks(rule, view)]
    place = {node_id: number for number, node_id in enumerate(prompt.nodes)}
    found = [each for each in found if not ignored.covers(each.rule.code, each.issue.node_id)]
    return sorted(found, key=lambda each: (place.get(each.issue.node_id or "", -1), each.rule.code))


def _remarks(rule: LintRule, view: LintView) -> Sequence[Remark]:
    """What a rule says of a prompt, and of nodes that failed while it looked."""
    try:
        found = list(rule.check(view))
    except Exception as error:  # a pack's own code: it may raise anything
        why = f"{type(error).__name__}: {error}"
        found = [Remark(None, f"the rule {rule.name} failed, and has not looked: {why}")]
    return [*found, *(Remark(node, f"what it foretells counts as unknown: {why}") for node, why in view.untold())]


def _placed(rule: LintRule, remark: Remark, prompt: Prompt) -> LintFinding:
    node = remark.node
    issue = Issue(
        rule.code,
        remark.message,
        node_id=node.node_id if node is not None else None,
        class_type=node.class_type if node is not None else None,
        title=node.title if node is not None else None,
        input=remark.input,
        hint=remark.fix,
        pointer=prompt.at(node.node_id, remark.input) if node is not None else prompt.pointer,
    )
    return LintFinding(rule, issue, remark.edits, remark.refused)


def worst(findings: Iterable[LintFinding]) -> list[LintFinding]:
    """Those of errors and warnings, the errors first."""
    order = list(Severity)
    grave = [each for each in findings if each.rule.severity is not Severity.INFO]
    return sorted(grave, key=lambda each: order.index(each.rule.severity))
