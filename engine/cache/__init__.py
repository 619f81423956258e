"""What is known of computed values: the protocol, keys and manifests, the cache in memory.

Uses the foundations alone.
"""
