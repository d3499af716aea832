"""The text side of the miniature world: running text and language-model items about scenes."""
