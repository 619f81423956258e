"""What the command line says and how: streams, progress, errors in words, descriptions of node classes.

rich is imported only where a stream is a terminal.
"""
