"""The graph runtime of Weft: workflow formats, validation, planning, caching, running. Knows neither torch nor nodes.

The modules directly here are the foundations, which every room may use; `api` is the front door.
"""
