from __future__ import annotations

import warnings

import pytest

from weft.nodes.diffusion.quiet import Quiet


def test_whoever_leaves_last_restores_the_filters() -> None:
    """Two threads, in the order in which catch_warnings alone would leave everything ignored."""
    before = list(warnings.filters)
    one = two = Quiet()
    one.__enter__()
    two.__enter__()
    one.__exit__()
    warnings.warn("while the second is inside", stacklevel=1)
    two.__exit__()
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="afterwards"):
        warnings.warn("afterwards", stacklevel=1)


def test_an_error_goes_through_and_the_filters_are_restored() -> None:
    before = list(warnings.filters)
    quiet = Quiet()
    with pytest.raises(ValueError, match="inside"), quiet:
        raise ValueError("inside")
    assert list(warnings.filters) == before
