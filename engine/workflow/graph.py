"""The structure of a prompt alone: order, ancestors, cycles. No values."""

from __future__ import annotations

from collections.abc import Iterable

from weft.engine.workflow.prompt import Link, Prompt


class PromptGraph:
    """The links of a prompt: `parents` holds, by node, the nodes that it takes from, in the order of its inputs.

    Links to nodes that do not exist are left out; validation reports them.
    """

    def __init__(self, prompt: Prompt) -> None:
        nodes = prompt.nodes
        self.parents = {
            node_id: [link.node_id for link in node.inputs.values() if type(link) is Link and link.node_id in nodes]
            for node_id, node in nodes.items()
        }

    def needed(self, targets: Iterable[str]) -> set[str]:
        """The targets and everything that they depend on."""
        found: set[str] = set()
        stack = list(targets)
        while stack:
            node_id = stack.pop()
            if node_id not in found:
                found.add(node_id)
                stack.extend(self.parents[node_id])
        return found

    def order(self, targets: Iterable[str]) -> list[str]:
        """The targets and their ancestors, parents first: one target's whole chain before the next one's.

        Depth first, because outputs are then released early: a hundred samplers are decoded one by one. Call it on a
        graph without cycles.
        """
        parents = self.parents
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
        stuck = self._stuck()
        if not stuck:
            return []
        import networkx as nx  # 0.1 s to import, and hardly any prompt has a cycle

        digraph: nx.DiGraph[str] = nx.DiGraph()
        digraph.add_edges_from((parent, node_id) for node_id in stuck for parent in self.parents[node_id])
        groups = (digraph.subgraph(group).copy() for group in nx.strongly_connected_components(digraph))
        # In the order of the document, for messages that are the same each time.
        place = {node_id: number for number, node_id in enumerate(self.parents)}
        found = [
            [edge[0] for edge in nx.find_cycle(group, min(group, key=place.__getitem__))]
            for group in groups
            if group.number_of_edges()
        ]
        return sorted(found, key=lambda cycle: place[cycle[0]])

    def _stuck(self) -> set[str]:
        """What is left when nodes that wait for nothing are taken away, again and again: cycles and what follows."""
        waiting = {node_id: len(parents) for node_id, parents in self.parents.items()}
        children: dict[str, list[str]] = {node_id: [] for node_id in waiting}
        for node_id, parents in self.parents.items():
            for parent in parents:
                children[parent].append(node_id)
        ready = [node_id for node_id, count in waiting.items() if not count]
        for node_id in ready:
            for child in children[node_id]:
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        return set(waiting).difference(ready)
