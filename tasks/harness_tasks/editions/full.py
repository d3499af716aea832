"""The edition ``full``: the real data sets, put under the cache folder by the user."""

from pathlib import Path
from typing import ClassVar

from harness.plugin import Edition, EditionInfo, hookimpl


class Full:
    """``<cache>/full/<task>``; `harness data fetch` fills it."""

    name: ClassVar[str] = "full"

    def provide(self, task: str, cache: Path) -> EditionInfo | None:
        return EditionInfo(path=cache / "full" / task, label="full")


@hookimpl
def harness_editions() -> list[type[Edition]]:
    return [Full]
