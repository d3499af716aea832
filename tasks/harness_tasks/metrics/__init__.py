"""Metrics, each equal to a named reference."""
