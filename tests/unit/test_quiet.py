"""Who is heard on the terminal: strangers' plugins and errors, not libraries that warn."""

import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.quiet import quiet_libraries
from harness.warned import warned
from tests.strangers import install

TALKER = """\
import logging, warnings

def warn():
    warnings.warn(f"{__name__} warns", FutureWarning, stacklevel=2)

def log(level):
    logging.getLogger(__name__).log(level, "%s logs", __name__)
"""


@pytest.fixture(autouse=True)
def talkers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plugin and a library that talk."""
    install(tmp_path, {"harness_snr.py": TALKER})
    (tmp_path / "some_library.py").write_text(TALKER)
    monkeypatch.syspath_prepend(str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
    for name in ("harness_snr", "some_library"):
        sys.modules.pop(name, None)


def heard(capfd: pytest.CaptureFixture[str], *, shown: bool) -> str:
    import harness_snr
    import some_library

    logging.root.handlers.clear()  # pytest's own, which it sets up for every test
    with quiet_libraries(shown=shown):
        for talker in (some_library, harness_snr):
            talker.warn()
            talker.log(logging.WARNING)
        some_library.log(logging.INFO)
        some_library.log(logging.ERROR)
    return capfd.readouterr().err


def test_libraries_are_kept_and_a_strangers_plugin_is_heard(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = heard(capfd, shown=False)

    assert "harness_snr warns" in told
    assert "harness_snr logs" in told
    assert "some_library warns" not in told
    assert told.count("some_library logs") == 1  # the error
    assert warned() == (
        "some_library: FutureWarning: some_library warns",
        "some_library: WARNING: some_library logs",
    )


def test_on_request_all_is_shown_and_nothing_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(FutureWarning, match="some_library warns"):
        told = heard(capfd, shown=True)

    assert told.count("some_library logs") == 2
    assert warned() == ()


def test_afterwards_everything_is_as_before() -> None:
    before = logging.lastResort, warnings.showwarning

    with quiet_libraries(shown=False):
        assert (logging.lastResort, warnings.showwarning) != before

    assert (logging.lastResort, warnings.showwarning) == before


def test_the_harness_itself_says_nothing_by_way_of_warnings() -> None:
    """What stands under its name there may be kept back because it is a library's in truth."""
    root = Path(__file__).parent.parent.parent
    for base in ("harness", "plugins", "tasks"):
        for path in (root / base).rglob("*.py"):
            assert "warnings.warn(" not in path.read_text(), path


def test_what_a_stranger_warns_of_is_text(capfd: pytest.CaptureFixture[str]) -> None:
    import harness_snr

    with quiet_libraries(shown=False):
        logging.root.handlers.clear()
        harness_snr.__name__ = "harness_snr"
        logging.getLogger("harness_snr").warning("\x1b[31m \u202e [/x]")
        exec("import warnings; warnings.warn('\x1b[31m [/x]', stacklevel=1)", vars(harness_snr))

    told = capfd.readouterr().err
    assert "\\x1b[31m \\u202e [/x]" in told
    assert "UserWarning: \\x1b[31m [/x]" in told
    assert "\x1b" not in told
