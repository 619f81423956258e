"""The rules of `weft lint`: a file a subject. docs/lint.md shows what each of them is about."""

from __future__ import annotations

from weft.nodes.lint import graphs, handover, latents, models, noise, prompts, sizes

RULES = (*handover.RULES, *noise.RULES, *latents.RULES, *sizes.RULES, *prompts.RULES, *models.RULES, *graphs.RULES)
