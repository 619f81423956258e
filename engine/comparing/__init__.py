"""What differs between two graphs of nodes: which node is which, and what changed about each.

`weft diff`, `weft explain` and `weft test` ask it; it knows prompts and their like, neither files nor runs.
"""
