"""What the conformance tests share."""

from pathlib import Path

import pytest

from tests.conformance.reference import ReferenceLlama
from tests.conformance.reference_methods import ReferenceMethods


@pytest.fixture(scope="session")
def reference_llama(conformance: Path) -> ReferenceLlama:
    return ReferenceLlama(conformance)


@pytest.fixture(scope="session")
def methods(conformance: Path) -> ReferenceMethods:
    if not (conformance / "methods.safetensors").is_file():
        pytest.skip("the folder has no runs of methods")
    return ReferenceMethods(conformance)
