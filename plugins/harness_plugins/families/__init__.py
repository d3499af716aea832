"""Model families, one file each: how to load them and where their towers and blocks are."""
