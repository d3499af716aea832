"""What every task's examples have to be, whoever reads them: each its own, and of Unicode texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import DataError
from harness.plugin import Example, brief


def check_examples(examples: Sequence[Example], folder: Path) -> None:
    """Refuse what could not be told apart or written down after the model has answered.

    Raises:
        DataError: Two examples have one id, or a text is not Unicode; the example is named.
    """
    seen: set[str] = set()
    for example in examples:
        name = example.sample.id
        if name in seen:
            raise DataError(folder, f"two items are called {brief(name)}; each needs its own id")
        seen.add(name)
        try:
            "".join(_texts(example)).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                folder, f"not Unicode ({error.reason})", f"item {brief(name)}"
            ) from None
    for choices in {example.choices for example in examples[:1]}:
        try:
            "".join(choices).encode()
        except UnicodeEncodeError as error:
            raise DataError(folder, f"the choices are not Unicode ({error.reason})") from None


def _texts(example: Example) -> Iterator[str]:
    yield example.sample.id
    yield example.sample.prompt
    yield from example.references
    yield from (example.label, example.stratum, example.cluster)
