"""Methods as their authors released them, quirks included, one quirk to a file.

They reproduce published numbers; to prune well, take the methods they derive from.
``docs/fidelity.md`` lists what each does otherwise and what that changes.
"""
