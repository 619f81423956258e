"""What nodes declare: sockets, schemas, the typed functions and classes that make them, the registry and packs.

Uses the foundations (the modules directly below engine) alone.
"""
