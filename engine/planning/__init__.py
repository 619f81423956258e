"""From a prompt to a plan: lowering, cache keys, digests of files, the steps. Pure, but for reading files.

Uses engine.cache, engine.workflow and engine.schema.
"""
