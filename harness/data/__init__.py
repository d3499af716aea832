"""Tasks' folders: where they are, what they hold, how they are fetched and checked."""
