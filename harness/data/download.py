"""Download official files: resumed where they broke off, checked, taken out of their archives.

Over https alone, redirections included; of what lies on this machine itself also over http.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from harness.data.folders import Report
from harness.errors import DataError
from harness.plugin import Manifest, OfficialFile, brief, inside, why_outside

CHUNK = 1 << 20
SECONDS = 60
PARTIAL, RANGE_IS_WRONG = 206, 416
#: Hosts that no network lies before.
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class _OnlyToHttps(HTTPRedirectHandler):
    """Follows a redirection to https and no other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme != "https":
            raise ConnectionError(f"{req.full_url} leads on to {brief(newurl)}, not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


urlopen = build_opener(_OnlyToHttps).open


def download_files(manifest: Manifest, folder: Path, store: Path, report: Report) -> list[str]:
    """Get what the folder lacks and a URL gives; returns the URLs.

    Args:
        store: Where downloads wait; what is there is not loaded again.

    Raises:
        OSError: The network or the disk fails.
        DataError: A download is not what the manifest says.
    """
    used = []
    for file in manifest.required:
        if file.url and not file.is_in(folder):
            archive = _waiting_place(file, store)
            if not archive.is_file():
                _download(file, archive, report)
            _take_out(archive, file, folder / file.path)
            used.append(file.url)
    return list(dict.fromkeys(used))


def _waiting_place(file: OfficialFile, store: Path) -> Path:
    parts = urlsplit(file.url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname in THIS_MACHINE) != ("http", True):
        raise ConnectionError(f"{brief(file.url)} is not https")
    try:
        return inside(store, parts.path.rpartition("/")[2])
    except ValueError as error:
        raise ConnectionError(f"{brief(file.url)} names a file that {error}") from None


def _download(file: OfficialFile, target: Path, report: Report) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    begun = target.with_name(f"{target.name}.part")
    have = begun.stat().st_size if begun.exists() else 0
    request = Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - https
    try:
        with urlopen(request, timeout=SECONDS) as answer:
            resumed = answer.status == PARTIAL
            _append(answer, begun, have if resumed else 0, target.name, report)
    except HTTPError as error:
        if error.code != RANGE_IS_WRONG:  # nothing is left to load
            raise
    except HTTPException as error:
        raise ConnectionError(f"{file.url}: {type(error).__name__}: {error}") from None
    if file.sha256:
        with begun.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != file.sha256:
            begun.unlink()
            raise DataError(
                target, f"SHA-256 {found}, not {file.sha256}; {file.url} gives something else now"
            )
    begun.replace(target)


def _append(answer: IO[bytes], begun: Path, have: int, name: str, report: Report) -> None:
    left = getattr(answer, "length", None)
    total = have + left if left is not None else 0
    with begun.open("ab" if have else "wb") as out:
        while chunk := answer.read(CHUNK):
            out.write(chunk)
            have += len(chunk)
            report(name, have, total)
    if have < total:
        raise ConnectionError(f"broke off after {have:,} of {total:,} bytes; run again to go on")


def _take_out(archive: Path, file: OfficialFile, target: Path) -> None:
    """Unpack a member, or copy a file that is none of an archive; a folder comes in one piece.

    Raises:
        DataError: The archive is damaged or has no such member.
    """
    try:
        _take_out_of_sound(archive, file, target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        problem = f"cannot be unpacked ({error}); delete it to load it again"
        raise DataError(archive, problem) from None
    except (NotImplementedError, RuntimeError) as error:
        raise DataError(archive, f"cannot be unpacked here ({error})") from None


def _take_out_of_sound(archive: Path, file: OfficialFile, target: Path) -> None:
    if file.path.endswith("/"):
        made = target.with_name(f".{target.name}.part")
        _unpack(archive, file, made)
        made.replace(target)
    else:
        _unpack(archive, file, target)


def _unpack(archive: Path, file: OfficialFile, target: Path) -> None:
    member = file.member or file.path.rpartition("/")[2] or file.path
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            names = [info.filename for info in opened.infolist() if not info.is_dir()]
            _write_members(names, opened.open, member, archive, target)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as packed:
            names = [info.name for info in packed.getmembers() if info.isfile()]
            _write_members(names, lambda name: _of_tar(packed, name), member, archive, target)
    else:
        _write(target, archive.open("rb"))


def _of_tar(packed: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = packed.extractfile(name)
    assert stream is not None
    return stream


def _write_members(
    names: list[str],
    opener: Callable[[str], IO[bytes]],
    member: str,
    archive: Path,
    target: Path,
) -> None:
    found = False
    for name, below in _matching(names, member):
        found = True
        path = target / below if member.endswith("/") else target
        if not path.exists():
            _write(path, opener(name))
    if not found:
        raise DataError(archive, f"holds no {member}")


def _matching(names: list[str], member: str) -> Iterator[tuple[str, str]]:
    """(name in the archive, path below the member) of a file or a folder at any depth.

    A name that leads out of the archive is passed over; links are no files, and are so too.
    """
    wanted = PurePosixPath(member).parts
    for name in names:
        parts = PurePosixPath(name).parts
        if why_outside(name):
            continue
        for start in range(len(parts) - len(wanted) + 1):
            if parts[start : start + len(wanted)] == wanted:
                rest = parts[start + len(wanted) :]
                if bool(rest) == member.endswith("/"):
                    yield name, "/".join(rest)
                break


def _write(path: Path, stream: IO[bytes]) -> None:
    """In one piece, so that a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.part")
    with stream, made.open("wb") as out:
        shutil.copyfileobj(stream, out, CHUNK)
    made.replace(path)
