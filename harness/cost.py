"""Wall time and peak memory of a stage, and the circumstances of a run."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

from harness.circumstances import Circumstances, Commit
from harness.spec import RunSpec
from harness.versions import library_versions
from harness.warned import warned

REPORTED = (
    "pruning-harness",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "pillow",
    "pycocoevalcap",
)
#: Folders of a results folder that runs write.
WRITTEN = ("records", "leaderboards", "cache")
SECRET_WORDS = ("token", "secret", "password", "key")


@dataclass
class Cost:
    """Seconds per stage and the peak memory over all of them."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time a stage and raise the peak if it takes more memory."""
        reset_peak(self.device)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started, read_peak(self.device))

    def add(self, stage: str, seconds: float, peak_memory_bytes: int | None) -> None:
        """Count a stage, also one whose outcome an earlier run left in the cache."""
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 3)
        if peak_memory_bytes is not None:
            self.peak_memory_bytes = max(peak_memory_bytes, self.peak_memory_bytes or 0)


def reset_peak(device: torch.device) -> None:
    """Start a new peak: of the device's allocator, or of the process where Linux lets us."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def read_peak(device: torch.device) -> int | None:
    """Bytes at the peak: allocated on the device, or resident in memory; None = cannot tell."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else None


def circumstances(cost: Cost, *, spec: RunSpec, data_path: str) -> Circumstances:
    """All that may differ between two runs of the same spec.

    Args:
        spec: What was asked for the one cell.
    """
    return Circumstances(
        seconds=cost.seconds,
        peak_memory_bytes=cost.peak_memory_bytes,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        host=platform.node(),
        hardware=_hardware(cost.device),
        threads=torch.get_num_threads(),
        versions={"python": platform.python_version(), **library_versions(REPORTED)},
        argv=redact(sys.argv),
        model_path=spec.model.name,
        data_path=data_path,
        commit=commit_of(Path(__file__).parent, spec.results),
        warnings=warned(),
        spec=spec.model_dump(mode="json", exclude={"results", "cache"}),
    )


def redact(argv: list[str]) -> tuple[str, ...]:
    """The command line without what looks like a secret.

    >>> redact(["harness", "run", "--hf-token", "abc", "--api-key=xyz"])
    ('harness', 'run', '--hf-token', '***', '--api-key=***')
    """
    shown: list[str] = []
    hide_next = False
    for word in argv:
        option, equals, _ = word.partition("=")
        secret = option.startswith("-") and any(part in option.lower() for part in SECRET_WORDS)
        if hide_next:
            shown.append("***")
        else:
            shown.append(f"{option}=***" if secret and equals else word)
        hide_next = secret and not equals
    return tuple(shown)


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def commit_of(code: Path, results: Path) -> Commit | None:
    """The working copy that a folder of code belongs to; None if it is installed from elsewhere.

    Args:
        results: What a run writes there does not make it dirty.
    """
    root = _git(code, "rev-parse", "--show-toplevel")
    if root is None or _git(code, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    written = [
        f":(top,exclude,literal){path.relative_to(root).as_posix()}"
        for name in WRITTEN
        if (path := results.resolve() / name).is_relative_to(root)
    ]
    head = _git(code, "rev-parse", "HEAD")
    changes = _git(code, "status", "--porcelain", "--", ":(top)", *written)
    return None if head is None or changes is None else Commit(hash=head, dirty=bool(changes))


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder; None if it fails or is not there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
