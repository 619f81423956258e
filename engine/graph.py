"""The structure of a prompt alone: order, ancestors, cycles. No values."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from engine.prompt import Prompt


class Graph:
    """A networkx.DiGraph over a prompt: an edge from the node that makes a value to the node that takes it.

    Links to nodes that do not exist are left out; validation reports them.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.digraph: nx.DiGraph[str] = nx.DiGraph()
        self.digraph.add_nodes_from(prompt.nodes)
        self.digraph.add_edges_from(
            (link.node_id, node_id)
            for node_id, node in prompt.nodes.items()
            for _, link in node.links
            if link.node_id in prompt.nodes
        )

    def needed(self, targets: Iterable[str]) -> set[str]:
        """The targets and everything that they depend on."""
        found: set[str] = set()
        stack = list(targets)
        parents = self.digraph.pred
        while stack:
            node_id = stack.pop()
            if node_id not in found:
                found.add(node_id)
                stack.extend(parents[node_id])
        return found

    def order(self, targets: Iterable[str]) -> list[str]:
        """The targets and their ancestors, parents first: one target's whole chain before the next one's.

        Depth first, because outputs are then released early: a hundred samplers are decoded one by one. Call it on a
        graph without cycles.
        """
        parents = self.digraph.pred
        placed: dict[str, None] = {}
        for target in targets:
            stack = [(target, iter(parents[target]))]
            while stack:
                node_id, waiting = stack[-1]
                for parent in waiting:
                    if parent not in placed:
                        stack.append((parent, iter(parents[parent])))
                        break
                else:
                    placed[node_id] = None
                    stack.pop()
        return list(placed)

    def cycles(self) -> list[list[str]]:
        """One cycle of every group of nodes that wait for each other, in the direction of the data."""
        found: list[list[str]] = []
        for group in nx.strongly_connected_components(self.digraph):
            if len(group) > 1 or any(self.digraph.has_edge(node_id, node_id) for node_id in group):
                edges = nx.find_cycle(self.digraph.subgraph(group))
                found.append([edge[0] for edge in edges])
        return found
