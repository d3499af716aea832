"""Say in one line what went wrong, and where in a plugin."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import FrameType

from harness.errors import HarnessError
from harness.plugin.installed import plugin_packages
from harness.told import LONGEST, one_line_of
from harness.versions import own_distribution

#: Errors that say themselves where: a deliberate one needs no place, a syntax error has its own.
PLACED = (HarnessError, SyntaxError)


def one_line(error: BaseException) -> str:
    """``ValueError: message (harness_snr.py:12 of harness-snr 0.3)``: kind, first line, place.

    The place is the innermost line of a plugin's distribution, else of the harness, that the error
    passed through; a deliberate error is told without one.
    """
    message = one_line_of(_message(error).partition("\n")[0], LONGEST // 2)
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    place = None if isinstance(error, PLACED) else place_of(error)
    return f"{told} ({place})" if place else told


def _message(error: BaseException) -> str:
    """What an error says; of one that cannot say it, that."""
    try:
        return str(error)
    except Exception as mute:
        return f"it cannot be told ({type(mute).__name__})"


def place_of(error: BaseException) -> str | None:
    """File and line in the plugin that an error came through, and the plugin's distribution."""
    frames = list(traceback.walk_tb(error.__traceback__))[::-1]
    packages = plugin_packages()
    for frame, line in frames:
        if (package := _package(frame)) in packages:
            return f"{_file(frame)}:{line} of {packages[package]}"
    own = __name__.partition(".")[0]
    places = [f"{_file(frame)}:{line}" for frame, line in frames if _package(frame) == own]
    return next(iter(places), None)


def stranger_in(error: BaseException) -> str | None:
    """The distribution of the innermost plugin that an error came through, if it is not our own."""
    packages, own = plugin_packages(), own_distribution()
    for frame, _ in list(traceback.walk_tb(error.__traceback__))[::-1]:
        if (package := _package(frame)) in packages:
            distribution = packages[package]
            return None if distribution == f"{own.name} {own.version}" else distribution
    return None


def whole(error: BaseException) -> str:
    """The traceback as Python prints it."""
    return "".join(traceback.format_exception(error))


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _file(frame: FrameType) -> str:
    """The frame's file from its top-level package on: the same wherever it is installed."""
    path = Path(frame.f_code.co_filename)
    depth = len(str(frame.f_globals["__name__"]).split(".")) + (path.name == "__init__.py")
    return "/".join(path.parts[-depth:])
