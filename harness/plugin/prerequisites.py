"""What a part of a plugin can say of what it lacks on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class Prerequisites(Protocol):
    """A part that, as a whole or in something, needs more than its distribution brings."""

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        """What of it does not work here -> why, and how that is mended, in a line.

        An empty text stands for all of it. `harness doctor` shows this; the part is expected to ask
        the same question when it is used. It takes no time and imports nothing large.
        """
        ...
