"""Names that come with data: what they may be, so that none leaves the folder it belongs to."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

#: Bytes that a file system takes as one name, and as a path within a folder.
LONGEST_NAME, LONGEST_PATH = 255, 1024
_DRIVE = re.compile(r"[A-Za-z]:")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def why_outside(name: str) -> str:
    """Why a name may not be joined to a folder; empty if it may.

    What a name says is what counts: a symbolic link inside the folder is its owner's, and followed.

    >>> why_outside("val2014/1.jpg"), why_outside("../1.jpg")
    ('', "leads outside by '..'")
    """
    parts = PurePosixPath(name).parts
    sizes = [len(part.encode(errors="surrogatepass")) for part in (*parts, name)]
    reasons = {
        "is an absolute path": name.startswith(("/", "\\")) or _DRIVE.match(name),
        "holds a backslash; folders are told from one another by '/'": "\\" in name,
        "holds a control character": _CONTROL.search(name),
        "names no file": not parts,
        "leads outside by '..'": ".." in parts,
        "is not Unicode": _SURROGATE.search(name),
        f"is {sizes[-1]:,} bytes long": sizes[-1] > LONGEST_PATH
        or any(size > LONGEST_NAME for size in sizes[:-1]),
    }
    return next((why for why, applies in reasons.items() if applies), "")


def inside(folder: Path, name: str) -> Path:
    """The file of that name in a folder.

    Raises:
        ValueError: The name leads elsewhere, or is none; it says why.
    """
    if why := why_outside(name):
        raise ValueError(why)
    return folder / name
