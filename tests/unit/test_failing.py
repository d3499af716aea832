"""The one border: what is said of every kind of exception, and the exit code."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from harness import doctor
from harness.cli import run_command
from harness.cli.failing import Failure, failure_of
from harness.errors import DataError, InputError, RunError, UnknownNameError
from harness.plugin import faults
from harness.told import LONGEST, one_line_of, refuse_unwritable_words

REPORT = "this is a defect of harness: please report it with what --traceback shows"


def os_error(number: int, *names: str) -> OSError:
    return OSError(number, errno.errorcode[number], *names)


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (InputError("no such folder"), "error: no such folder", 2),
        (InputError("a: none", "b: none"), "error: a: none\nerror: b: none", 2),
        (DataError(Path("f.json"), "no list", "row 3"), "error: f.json, row 3: no list", 2),
        (RunError("it failed"), "error: it failed", 1),
        (os_error(errno.EACCES, "r"), "error: r: EACCES; --traceback shows where", 2),
        (os_error(errno.ENAMETOOLONG, "r"), "error: r: ENAMETOOLONG; --traceback shows where", 2),
        (os_error(errno.ENOSPC, "r"), "error: r: ENOSPC; --traceback shows where", 1),
        (MemoryError(), "error: out of memory (MemoryError); --traceback shows where", 1),
        (KeyError("sq"), f"error: KeyError: 'sq'; {REPORT}", 70),
        (RecursionError("too deep"), f"error: RecursionError: too deep; {REPORT}", 70),
        (SystemExit(3), "error: SystemExit: 3; --traceback shows where", 1),
        (KeyboardInterrupt(), "", 130),
        (BrokenPipeError(), "", 141),
    ],
)
def test_every_exception_is_a_line_and_an_exit_code(
    error: BaseException, line: str, code: int
) -> None:
    assert failure_of(error) == Failure(line, code)


def test_a_strangers_mistake_is_no_defect_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "plugin_packages", lambda: {"tests": "harness-stranger 1.0"})
    try:
        raise KeyError("x")  # noqa: TRY301
    except KeyError as error:
        failure = failure_of(error)

    assert failure.code == 1
    assert "test_failing.py" in failure.line
    assert "of harness-stranger 1.0" in failure.line
    assert "defect" not in failure.line


def test_an_error_that_cannot_be_told_is_told() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise TypeError

    assert "it cannot be told (TypeError)" in failure_of(MuteError()).line


@pytest.mark.parametrize(
    "error",
    [
        InputError(f"model {'a' * 9000}: no such folder"),
        InputError("a\nb" * 3000),
        UnknownNameError("task", "x" * 3000, [f"task {number}" for number in range(900)]),
        KeyError("k" * 9000),
        os_error(errno.ENOENT, "f" * 9000),
        ValueError("\x1b[31m" * 900),
    ],
)
def test_no_line_is_longer_than_400_characters_or_obeyed_by_a_terminal(error: Exception) -> None:
    line = failure_of(error).line

    assert len(line) <= LONGEST == 400
    assert line.isprintable()


def test_both_ends_of_a_long_message_stay() -> None:
    told = one_line_of(f"model {'a' * 9000}: no such folder")

    assert told.startswith("model aaa")
    assert told.endswith("aaa: no such folder")
    assert one_line_of("short") == "short"


@pytest.mark.parametrize("word", ["a\0b", "\udcff"])
def test_what_no_file_can_be_called_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="no name, path or setting can"):
        refuse_unwritable_words(["fine", word])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "--modle", "x"], "No such option: --modle; did you mean --model?"),
        (["frob"], "No such command 'frob'; `harness --help` lists what is right"),
        (["run", "--limit", "x"], "--limit: a whole number is needed, not 'x'"),
        (["models", "show", "m", "--samples", "0"], "--samples: at least 1 is needed, not '0'"),
        (["prune", "--save", "x"], "Missing option '--pruner'"),
        (["export", "a", "--to", "x", "--save", "b"], "--to: 'x' is not one of 'hf', 'masks'"),
        (["run", "--model", "a\0b"], "'a\\x00b' holds a NUL character"),
    ],
)
def test_wrong_usage_is_one_line(
    words: list[str], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command(words) == 2

    [told] = capfd.readouterr().err.splitlines()
    assert told.startswith(f"error: {line}")
    assert "Input should" not in told


@pytest.mark.parametrize(
    ("error", "code"), [(OSError(errno.EACCES, "Permission denied", "x"), 2), (KeyError("x"), 70)]
)
def test_commands_beside_run_have_the_same_border(
    error: Exception,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(doctor, "examine", fail)

    assert run_command(["doctor"]) == code
    [told] = capfd.readouterr().err.splitlines()
    assert "--traceback" in told
    assert run_command(["doctor", "--traceback"]) == code
    assert "Traceback (most recent call last)" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("ending", "code"), [("frob 2>&-", 2), ("--version >&-", 0), ("frob >&- 2>&- <&-", 2)]
)
def test_closed_streams_do_not_matter(ending: str, code: int) -> None:
    command = f"{Path(sys.executable).parent / 'harness'} {ending}"

    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
