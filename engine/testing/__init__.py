"""Workflow regression testing: goldens, comparison, the first divergence, reports, the pytest plugin.

Stands above the engine core, which never imports it, and knows tensors only through weft.engine.testing.instrument.
"""
