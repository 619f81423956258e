"""A process that stays after `weft run`, with torch and models loaded, and takes the runs that follow.

`client.py` and what it imports are all that a run loads before it knows whether there is a worker: the standard library
alone. Above `terminal`; nothing but the command line knows of it.
"""
