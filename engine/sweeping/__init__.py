"""A sweep: one workflow run for many values of its inputs, into one folder with an index, a contact sheet and a page.

Uses sessions, and knows pictures only through weft.engine.sweeping.pictures.
"""
