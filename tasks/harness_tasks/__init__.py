"""Bundled tasks, metrics and editions; each enters by an entry point of group ``harness``."""
