"""Conversions of hub copies into the official layouts; a manifest names the one it needs.

What they write depends on the rows alone, not on their order or on how they are cut into files.
All fields but images are read and checked first: no name chooses where a file is written but
inside the folder, and nothing is written of a copy that is refused.
"""
