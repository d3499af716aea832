"""Faults that befall real runs: killed, no room, damaged, deleted, together (`tox -e faults`)."""
