"""What the nodes of the family refuse."""

from __future__ import annotations

from weft.engine.errors import WeftError


class BadScript(WeftError):
    """A script that cannot be carried out as it is, or not by this sampler."""
