"""Workflows written anew: the same with other ids, places and orders; and with one edit that is known."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

from weft.engine.envelopes import is_workflow


def shuffled(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The same workflow with other ids and positions, its nodes and links in another order."""
    document = deepcopy(document)
    if is_workflow(document):
        names: dict[tuple[str, str], str] = {}
        for subgraph, proxy in _shuffle_canvas(document, rng, names):
            proxy[0] = names.get((subgraph, str(proxy[0])), proxy[0])
        return document
    ids = dict(zip(document, map(str, rng.sample(range(1000, 10_000 + len(document)), len(document))), strict=True))
    items = list(document.items())
    rng.shuffle(items)
    for _, node in items:
        for name, value in node.get("inputs", {}).items() if isinstance(node, dict) else ():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in ids:
                node["inputs"][name] = [ids[str(value[0])], value[1]]
    return {ids[node_id]: node for node_id, node in items}


def _shuffle_canvas(
    canvas: dict[str, Any], rng: random.Random, names: dict[tuple[str, str], str], first: int = 1000
) -> list[tuple[str, list[Any]]]:
    """Notes in `names` what inner nodes are called now, by subgraph and id; returns the widgets that instances show."""
    shown: list[tuple[str, list[Any]]] = []
    nodes, links = canvas["nodes"], canvas.get("links") or []
    ids = {node["id"]: number for number, node in enumerate(nodes, first)}
    numbers = {link: number for number, link in enumerate({_id(link): None for link in links if link}, first + 7)}
    for node in nodes:
        node["id"] = ids[node["id"]]
        if isinstance(node.get("pos"), list):
            node["pos"] = [part + 300 for part in node["pos"]]
        for proxy in (node.get("properties") or {}).get("proxyWidgets") or ():
            shown.append((node["type"], proxy))
        for slot in node.get("inputs") or ():
            slot["link"] = numbers.get(slot.get("link"), slot.get("link"))
        for slot in node.get("outputs") or ():
            if slot.get("links"):
                slot["links"] = [numbers.get(link, link) for link in slot["links"]]
    for link in links:
        if isinstance(link, list):
            link[0] = numbers[link[0]]
            link[1], link[3] = ids.get(link[1], link[1]), ids.get(link[3], link[3])
        elif link:
            link["id"] = numbers[link["id"]]
            for name in ("origin_id", "target_id"):
                link[name] = ids.get(link[name], link[name])
    for panel in (*(canvas.get("inputs") or ()), *(canvas.get("outputs") or ())):
        if isinstance(panel, dict) and panel.get("linkIds"):
            panel["linkIds"] = [numbers.get(link, link) for link in panel["linkIds"]]
    rng.shuffle(links)
    rng.shuffle(nodes)
    for inner in (canvas.get("definitions") or {}).get("subgraphs") or ():
        names |= {(inner["id"], str(node["id"])): str(number) for number, node in enumerate(inner["nodes"], first)}
        shown += _shuffle_canvas(inner, rng, names, first)
    return shown


def _id(link: Any) -> Any:
    return link[0] if isinstance(link, list) else link["id"]


Prompt = dict[str, dict[str, Any]]
LOADERS, STEPS = ("Load", "Text", "Latent"), ("Lora", "Encode", "Sample", "Decode", "Save")


def random_graph(rng: random.Random) -> Prompt:
    """A graph in API format, of five to sixty nodes, most of which have a twin or two."""
    prompt: Prompt = {}
    while len(prompt) < rng.randint(5, 60):
        known = list(prompt)
        kind = rng.choice(STEPS if known and rng.random() < 0.7 else LOADERS)
        inputs: dict[str, Any] = {name: rng.choice([1, 2]) for name in ("strength", "size")[: rng.randint(0, 2)]}
        for name in ("model", "positive", "pixels")[: rng.randint(1, 3)] if kind in STEPS else ():
            inputs[name] = [rng.choice(known), rng.randint(0, 1)]
        prompt[str(len(prompt) + 1)] = {"class_type": kind, "inputs": inputs}
        if known and rng.random() < 0.3:  # and a copy of a whole branch
            _copy(prompt, rng.choice(known), rng)
    return prompt


def _copy(prompt: Prompt, end: str, rng: random.Random) -> None:
    copies: dict[str, str] = {}
    waiting = [end]
    for node_id in waiting:
        if node_id in copies or len(copies) == 5:
            continue
        copies[node_id] = str(len(prompt) + len(copies) + 1)
        waiting += [value[0] for value in prompt[node_id]["inputs"].values() if isinstance(value, list)]
    for node_id, copy in copies.items():
        inputs = {
            name: [copies.get(value[0], value[0]), value[1]] if isinstance(value, list) else value
            for name, value in prompt[node_id]["inputs"].items()
        }
        prompt[copy] = {"class_type": prompt[node_id]["class_type"], "inputs": inputs}


Edited = tuple[Prompt, dict[str, int], tuple[str, str, str]]
"""The prompt with one edit, how many differences of each kind that is, and the node and input that it is about."""


def edited(prompt: Prompt, rng: random.Random) -> Edited | None:
    """The prompt with an edit of a random kind; None where it has no place for that."""
    prompt = deepcopy(prompt)
    node_id = rng.choice(list(prompt))
    node = prompt[node_id]
    links = [name for name, value in node["inputs"].items() if isinstance(value, list)]
    constants = [name for name in node["inputs"] if name not in links]
    kind = rng.choice(("seed", "input", "link", "class", "added", "removed"))
    if kind in ("seed", "input") and constants:
        name = rng.choice(constants)
        if kind == "seed":
            return None if "seed" not in constants else _set(prompt, node_id, "seed", 4711)
        return None if name in ("seed", "noise_seed") else _set(prompt, node_id, name, "a value of its own")
    if kind == "link" and links:
        name = rng.choice(links)
        others = [other for other in _not_below(prompt, node_id) if other != node["inputs"][name][0]]
        if not others or _same(prompt, others[-1], node["inputs"][name][0]):
            return None
        node["inputs"][name] = [others[-1], node["inputs"][name][1]]
        return prompt, {"link": 1}, ("link", node_id, name)
    takers = [each for each in prompt.values() for value in each["inputs"].values() if _from(value) == node_id]
    if kind == "class" and (takers or links):
        node["class_type"] = "Another"
        return prompt, {"class": 1}, ("class", node_id, "")
    if kind == "added" and links:
        name = rng.choice(links)
        prompt["9000"] = {"class_type": "New", "inputs": {"between": node["inputs"][name], "by": 1}}
        node["inputs"][name] = ["9000", 0]
        return prompt, {"added": 1}, ("added", "9000", "")
    if kind == "removed" and len(links) == 1:
        source = node["inputs"][links[0]]
        for each in prompt.values():
            for name, value in each["inputs"].items():
                if _from(value) == node_id:
                    each["inputs"][name] = source
        del prompt[node_id]
        return prompt, {"removed": 1}, ("removed", node_id, "")
    return None


def _set(prompt: Prompt, node_id: str, name: str, value: Any) -> Edited:
    prompt[node_id]["inputs"][name] = value
    kind = "seed" if name == "seed" else "input"
    return prompt, {kind: 1}, (kind, node_id, name)


def _from(value: Any) -> str | None:
    return value[0] if isinstance(value, list) else None


def _not_below(prompt: Prompt, node_id: str) -> list[str]:
    """The nodes that do not depend on one."""
    below = {node_id}
    while True:
        more = {
            each
            for each, node in prompt.items()
            if each not in below and any(_from(value) in below for value in node["inputs"].values())
        }
        if not more:
            return [each for each in prompt if each not in below]
        below |= more


def _same(prompt: Prompt, one: str, other: str) -> bool:
    """Whether two nodes compute the same."""
    a, b = prompt[one], prompt[other]
    if a["class_type"] != b["class_type"] or a["inputs"].keys() != b["inputs"].keys():
        return False
    return all(
        value == b["inputs"][name]
        or (
            isinstance(value, list)
            and isinstance(b["inputs"][name], list)
            and value[1] == b["inputs"][name][1]
            and _same(prompt, value[0], b["inputs"][name][0])
        )
        for name, value in a["inputs"].items()
    )
