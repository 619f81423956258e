"""A prompt and what is asked of it: nodes and links, their graph, overrides, validation, what a queueing resolves.

Uses engine.schema.
"""
