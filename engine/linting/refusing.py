"""What rules find that keeps a workflow from running: files of models whose headers show that they do not fit."""

from __future__ import annotations

from weft.engine.errors import Issue
from weft.engine.folders import INPUT, Folders
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.settings import Settings
from weft.engine.workflow.prompt import Prompt


def refusals(prompt: Prompt, registry: Registry, settings: Settings, folders: Folders) -> list[Issue]:
    """What the packs' rules refuse, but for rules that weft.toml ignores: what it selects does not count here.

    They speak of files of models: where a prompt names none, no rule is loaded.
    """
    if not any(_names_model(class_type, registry) for class_type in set(prompt.classes.values())):
        return []
    from weft.engine.linting.findings import lint, rules_of
    from weft.engine.linting.selection import LintSelection

    selection = LintSelection(ignore=LintSelection.load().ignore)
    rules = [rule for rule in selection.of(rules_of(registry.packs)) if rule.refuses]
    return [each.refusal for each in lint(prompt, registry, settings, rules, folders) if each.refused]


def _names_model(class_type: str, registry: Registry) -> bool:
    found = registry.find(class_type)
    sockets = (spec.socket for spec in found.schema.inputs) if found is not None else ()
    return any(isinstance(socket, Files) and socket.folder != INPUT for socket in sockets)
