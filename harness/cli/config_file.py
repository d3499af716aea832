"""The YAML (or JSON) file that ``--config`` names, read as data and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from harness.errors import InputError

#: Bytes of a file, and how deep mappings and lists lie in one another: far above what a run needs.
LONGEST, DEEPEST = 1 << 20, 20


class _PlainLoader(yaml.SafeLoader):
    """YAML's mappings, lists and scalars: a key stands once, nothing stands for something else."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases (*) are not read; write it out", problem_mark=mark
            )
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"more than {DEEPEST} mappings and lists lie in one another",
                problem_mark=mark,
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, (key, (written, _)) in enumerate(zip(keys, node.value, strict=True)):
            if not isinstance(key, str) or key in keys[:place]:
                what = "stands twice" if isinstance(key, str) else "is no text; keys are"
                raise yaml.MarkedYAMLError(
                    problem=f"key {str(key)[:60]!r} {what}", problem_mark=written.start_mark
                )
        return super().construct_mapping(node, deep=deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in the file; tags, aliases and keys that stand twice are refused.

    Raises:
        InputError: It is missing, too long, or no such mapping; the line at fault is named, and
            nothing but a key is quoted.
    """
    try:
        with path.open("rb") as file:
            written = file.read(LONGEST + 1)
    except FileNotFoundError:
        raise InputError(f"--config {path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--config {path}: cannot be read ({reason})") from None
    if len(written) > LONGEST:
        raise InputError(f"--config {path}: longer than {LONGEST:,} bytes, so no config of a run")
    try:
        content = yaml.load(written.decode("utf-8-sig"), Loader=_PlainLoader)  # noqa: S506 - safe
    except UnicodeDecodeError:
        raise InputError(f"--config {path}: no text in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise InputError(
            f"--config {path}: not readable as YAML ({where}{error.problem})"
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"--config {path}: not readable as YAML ({reason})") from None
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: a mapping is needed, not {type(content).__name__}")
    return content


def refuse_unused(path: Path, content: Iterable[str], unused: Iterable[str], command: str) -> None:
    """Refuse keys that play no part in a command.

    Raises:
        InputError: There is one; it is named.
    """
    for key in unused:
        if key in content:
            raise InputError(f"--config {path}: {key} plays no part in `harness {command}`")
