"""Which part of a workflow runs: `--only`, `--bypass`, `--mute`, and the outputs that nothing is wrong with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from weft.engine.documents import value_at
from weft.engine.errors import Issue, UsageError
from weft.engine.schema.registry import Registry
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.overrides import find_node, find_shown
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import output_nodes

if TYPE_CHECKING:
    from weft.engine.formats.workflow import Workflow

_MAX_SHOWN = 8


def only(prompt: Prompt, nodes: Iterable[str], registry: Registry) -> Prompt:
    """The prompt with nothing but these nodes, named by id, title or class_type, and what they depend on.

    Raises UsageError for a node that is not there.
    """
    wanted = [find_node(prompt, str(node), registry) for node in nodes]
    return prompt.reduced(PromptGraph(prompt).needed(wanted))


def sound(prompt: Prompt, registry: Registry, issues: Sequence[Issue], targets: Collection[str] = ()) -> list[str]:
    """The output nodes and targets that no issue is about, nor about anything that they depend on."""
    bad = {issue.node_id for issue in issues}
    if not bad <= prompt.nodes.keys():
        return []  # about the whole of it
    graph = PromptGraph(prompt)
    wanted = dict.fromkeys([*output_nodes(prompt, registry), *targets])
    return [node_id for node_id in wanted if bad.isdisjoint(graph.needed([node_id]))]


def how_to_run(nodes: Sequence[str]) -> str:
    """What runs these outputs alone; empty for none."""
    if not nodes:
        return ""
    options = " ".join(f"--only {quote(node_id)}" for node_id in nodes[:_MAX_SHOWN])
    return f"{options} runs what nothing is wrong with"


def with_modes(
    loaded: Workflow | Prompt, registry: Registry, *, bypass: Iterable[str] = (), mute: Iterable[str] = ()
) -> Workflow:
    """The workflow with these nodes bypassed and muted, as Ctrl-B and Ctrl-M in the editor do; a prompt is laid out.

    A bypassed node passes on what comes in where the types agree; what hangs on a muted one loses it. Nodes are named
    by id, title or class_type, subgraphs too. Raises UsageError for one that is not there or does not run anyway.
    """
    from copy import deepcopy

    from weft.engine.formats.canvases import BYPASSED, MUTED
    from weft.engine.formats.conversion import to_prompt
    from weft.engine.formats.editor import to_workflow
    from weft.engine.formats.workflow import Workflow

    if isinstance(loaded, Prompt):
        saved = Workflow.parse(to_workflow(loaded, registry, keep_unknown=True))
    else:
        saved = loaded
    prompt = to_prompt(saved, registry, keep_unknown=True)
    document = deepcopy(saved.document)
    places = {node_id: prompt.origin(node_id, "")[0].pointer for node_id in prompt.nodes}
    tops = {str(node.get("id")): node for node in document["nodes"] if isinstance(node, dict)}
    for nodes, mode in ((bypass, BYPASSED), (mute, MUTED)):
        for reference in nodes:
            node_id = find_shown(prompt, str(reference), registry)
            place = places.get(node_id)
            uses = list(places.values()).count(place) if place is not None else 0
            if uses > 1:
                what = f"node {node_id} stands in a subgraph that is used {uses} times: a mode would be for all of them"
                raise UsageError(what, hint=f"name the subgraph's own node, {node_id.rpartition(':')[0]}")
            if place is None and node_id not in tops:
                raise UsageError(f"node {node_id} is a subgraph inside another one", hint="name a node inside it")
            node = tops[node_id] if place is None else value_at(document, place)
            node["mode"] = mode
    changed = Workflow.parse(document)
    changed.made, changed.notes = loaded.made, loaded.notes
    return changed
