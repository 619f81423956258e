"""Cells of a sweep on several devices: who runs which (`schedule`), where (`rays`), and the loop over both (`spread`).

A pool is all that the loop knows of workers; Ray is one, and tests have another. A schedule knows neither.
"""
