"""What nobody should give the harness, thrown at it: `tox -e fuzz`."""
