"""The miniature models: real architectures, trained from scratch on the miniature world."""
