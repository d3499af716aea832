"""Bundled methods and model families; each enters by an entry point of group ``harness``."""
