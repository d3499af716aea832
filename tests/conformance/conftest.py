"""What the conformance tests share."""

from pathlib import Path

import pytest

from tests.conformance.reference import ReferenceLlama


@pytest.fixture(scope="session")
def reference_llama(conformance: Path) -> ReferenceLlama:
    return ReferenceLlama(conformance)
