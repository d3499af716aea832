"""Run every test with the newest releases, and tell how it went in one line; never fail for it."""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

NAMED = ("torch", "transformers", "tokenizers", "numpy", "pydantic", "typer", "timm", "lm-eval")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        options = ["-n", "logical", "--dist", "loadfile", f"--junitxml={report}", *sys.argv[1:]]
        subprocess.run([sys.executable, "-m", "pytest", *options], check=False)
        suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None, "pytest writes a test suite"
    counted = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    failed = counted["failures"] + counted["errors"]
    passed = counted["tests"] - failed - counted["skipped"]
    versions = ", ".join(f"{name} {version(name)}" for name in NAMED)
    print(f"newest: {passed} passed, {failed} failed, {versions}")


main()
