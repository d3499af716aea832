"""What libraries warned of while a command ran: kept for the record instead of shown."""

_WARNED: dict[str, None] = {}


def keep_warning(text: str) -> None:
    """Keep a line; the same one counts once."""
    _WARNED.setdefault(text)


def warned() -> tuple[str, ...]:
    """All lines so far, the first one first."""
    return tuple(_WARNED)


def forget_warnings() -> None:
    """Begin anew, with a new command."""
    _WARNED.clear()
