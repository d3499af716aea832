"""What a part can say of its own identity."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class Fingerprinted(Protocol):
    """A part with an option whose value does not say all, such as the path of a file."""

    def fingerprint(self) -> Mapping[str, str]:
        """Option -> what stands for it in a record's identity, such as the file's digest.

        It is asked for once, before the part is used: what is read for it is what counts.
        """
        ...
