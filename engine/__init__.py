"""The graph runtime of Weft: workflow formats, validation, planning, caching, execution. Knows neither torch nor nodes."""
