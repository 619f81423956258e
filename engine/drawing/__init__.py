"""Drawings of workflows: a `Scene` says what stands where, and becomes SVG, PNG, a page, or Mermaid for Markdown.

A scene is made of an editor's save, with its own places, or of a prompt, which is laid out. It is data: whoever draws
(`weft render`, the page of a comparison, the report of a test) gives it marks and pictures by node id.
"""
