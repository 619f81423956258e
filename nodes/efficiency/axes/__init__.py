"""The axes of an XY plot: `kind` says what a kind of axis is, a file a subject holds the records, `table` has them all.

A new kind is one record in the file of its subject. `rules` says which go together, `manual` reads what is written by
hand, `written` sees the axes of a workflow before it runs; `inputs` and `ramps` are for the nodes that give axes.
"""
