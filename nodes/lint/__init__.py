"""The rules of `weft lint`: a file a subject. docs/lint.md shows what each of them is about."""

from __future__ import annotations

from weft.nodes.lint import flows, graphs, handover, latents, models, noise, patches, prompts, sizes

_SUBJECTS = (handover, flows, noise, latents, sizes, prompts, models, patches, graphs)

RULES = tuple(rule for subject in _SUBJECTS for rule in subject.RULES)
