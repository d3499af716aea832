"""Editions: where the data of a task comes from, always as a folder in the official format."""
