"""Conversions of hub copies into the official layouts; a manifest names the one it needs.

What they write depends on the rows alone, not on their order or on how they are cut into files.
"""
