"""What is allowed and yet gives another picture than the one that was asked for: rules, findings, and their mending.

The rules come with packs (`Pack.lint`). Uses engine.formats, engine.workflow and engine.schema.
"""
