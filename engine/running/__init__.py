"""A run: its state and the transitions of it, drivers, the call of one node, expansion.

Uses engine.planning and what that uses.
"""
