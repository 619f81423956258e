"""Cells of a sweep, or workflows, on several devices: who runs which (`schedule`), where (`rays`), the loop over both
(`spread`), and what is run there and comes of it (`sweeps`, `files`).

A pool is all that the loop knows of workers; Ray is one, and tests have another. A schedule knows neither.
"""
