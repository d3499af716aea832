"""What transformers logs about a folder is kept with the other libraries' warnings."""

import json
import logging
from pathlib import Path

import pytest

from harness.cli.quiet import quiet_libraries
from harness.warned import warned
from harness_plugins.pretrained import load_config


def test_a_config_that_transformers_wonders_at_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = {"model_type": "gpt2", "vocab_size": 30, "bos_token_id": 151643}
    (tmp_path / "config.json").write_text(json.dumps(config))
    library = logging.getLogger("transformers")
    library.setLevel(logging.WARNING)
    for logger in (logging.root, library):
        logger.handlers.clear()  # pytest's own, which it sets up for every test

    with quiet_libraries(shown=False):
        load_config(str(tmp_path))

    assert any("bos_token_id must be" in line for line in warned())
    assert not capfd.readouterr().err
