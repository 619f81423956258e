"""Workflows as people keep them: the editor's UI format, inside pictures, on standard input; to prompts and back.

sources     whatever a user names -> Prompt or Workflow
workflow    the UI format, parsed         embedded, containers   metadata of pictures, sound and films
conversion  Workflow -> Prompt; its parts: reading, wiring, canvases, widgets, controls, texts, groupnodes, legacy
canonical   the one way in which a file is written        migrating   saves of older editors in today's form
editor      Prompt -> Workflow            layout, frames: where nodes and groups go
"""
