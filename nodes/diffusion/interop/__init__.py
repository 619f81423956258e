"""Models, samplers and guiders by the names and calling conventions that third-party packs use, both ways.

What packs see of Weft's own values, and how Weft samples with what packs bring. `nodes/compat` shows it to them.
"""
