"""Downloads go on where they broke off, are checked, and give up what archives hold."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import pytest

from harness.data import download
from harness.data.download import download_files
from harness.errors import DataError
from harness.plugin import Manifest, OfficialFile

CONTENT = bytes(range(256)) * 40
ENTRIES = {
    "data/images/a.jpg": b"a",
    "data/images/sub/b.jpg": b"b",
    "data/notes.txt": b"notes",
    "../images/evil.jpg": b"evil",
}


class Served:
    """What the local server gives, what it was asked for, and where it breaks off."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str] = []
        self.break_off_at: int | None = None
        self.leads_to: dict[str, str] = {}
        self.url = ""


@pytest.fixture
def served() -> Iterator[Served]:
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if target := state.leads_to.get(self.path):
                self.send_response(302)
                self.send_header("Location", target)
                self.end_headers()
                return
            content = state.files[self.path.lstrip("/")]
            asked = self.headers.get("Range", "")
            state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : state.break_off_at])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def quiet(step: str, done: int, total: int) -> None:
    assert 0 < done <= total, step


def get(folder: Path, *files: OfficialFile) -> list[str]:
    manifest = Manifest(task="t", title="T", page="p", files=files)
    return download_files(manifest, folder / "t", folder / "t.download", quiet)


def test_a_broken_download_goes_on(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CHUNK", 1000)
    served.files["big.txt"] = CONTENT
    file = OfficialFile(
        path="sub/big.txt",
        url=f"{served.url}/big.txt",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
    served.break_off_at = 4096
    with pytest.raises(ConnectionError, match="broke off after 4,096 of 10,240 bytes; run again"):
        get(tmp_path, file)
    assert not (tmp_path / "t").exists()
    served.break_off_at = None

    assert get(tmp_path, file) == [file.url]

    assert (tmp_path / "t" / "sub" / "big.txt").read_bytes() == CONTENT
    assert served.ranges == ["", "bytes=4096-"]
    assert get(tmp_path, file) == [], "what is there is not loaded again"


def test_a_download_that_broke_off_at_its_end_is_whole(served: Served, tmp_path: Path) -> None:
    served.files["a.txt"] = CONTENT
    (tmp_path / "t.download").mkdir()
    (tmp_path / "t.download" / "a.txt.part").write_bytes(CONTENT)

    get(tmp_path, OfficialFile(path="a.txt", url=f"{served.url}/a.txt"))

    assert (tmp_path / "t" / "a.txt").read_bytes() == CONTENT


def test_another_content_is_refused(served: Served, tmp_path: Path) -> None:
    served.files["a.txt"] = b"other"
    wanted = hashlib.sha256(b"this").hexdigest()

    with pytest.raises(DataError, match=rf"a.txt: SHA-256 [0-9a-f]{{64}}, not {wanted}; http"):
        get(tmp_path, OfficialFile(path="a.txt", url=f"{served.url}/a.txt", sha256=wanted))

    assert not (tmp_path / "t" / "a.txt").exists()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in ENTRIES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in ENTRIES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "content"), [("x.zip", zipped()), ("x.tar.gz", tarred())])
def test_files_and_folders_are_taken_out_of_one_archive(
    served: Served, tmp_path: Path, name: str, content: bytes
) -> None:
    """Wherever they lie in it; what would land elsewhere is left out."""
    served.files[name] = content
    url = f"{served.url}/{name}"

    used = get(
        tmp_path,
        OfficialFile(path="notes.txt", url=url),
        OfficialFile(path="val/", url=url, member="images/"),
    )

    assert used == [url]
    assert served.ranges == [""]
    folder = tmp_path / "t"
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == {"notes.txt": b"notes", "val/a.jpg": b"a", "val/sub/b.jpg": b"b"}


def test_a_folder_comes_in_one_piece(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files["x.zip"] = zipped()
    file = OfficialFile(path="images/", url=f"{served.url}/x.zip")
    original, written = download._write, []

    def broken(path: Path, stream: IO[bytes]) -> None:
        written.append(path.name)
        if written == ["a.jpg", "b.jpg"]:
            raise OSError("disk full")
        original(path, stream)

    monkeypatch.setattr(download, "_write", broken)
    with pytest.raises(OSError, match="disk full"):
        get(tmp_path, file)
    assert not (tmp_path / "t" / "images").exists()

    get(tmp_path, file)

    assert written == ["a.jpg", "b.jpg", "b.jpg"]
    assert served.ranges == [""]
    assert (tmp_path / "t" / "images" / "sub" / "b.jpg").read_bytes() == b"b"


def test_a_missing_member_is_named(served: Served, tmp_path: Path) -> None:
    served.files["x.zip"] = zipped()

    with pytest.raises(DataError, match="x.zip: holds no labels.txt"):
        get(tmp_path, OfficialFile(path="labels.txt", url=f"{served.url}/x.zip"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.txt",
        "http://127.0.0.1.example.org/a.txt",
        "file:///etc/passwd",
        "ftp://example.org/a.txt",
        "data:text/plain,a",
        "a.txt",
    ],
)
def test_only_https_is_loaded(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "urlopen", lambda *_, **__: pytest.fail("opened"))

    with pytest.raises(ConnectionError, match=r"is not https$"):
        get(tmp_path, OfficialFile(path="a.txt", url=url))


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/b", "file:///etc/passwd", "ftp://x/b"])
def test_a_redirection_to_anything_but_https_is_refused(
    target: str, served: Served, tmp_path: Path
) -> None:
    served.leads_to["/a.txt"] = target

    with pytest.raises(OSError, match=r"leads on to .*, not https|not allowed"):
        get(tmp_path, OfficialFile(path="a.txt", url=f"{served.url}/a.txt"))

    assert not (tmp_path / "t" / "a.txt").exists()


@pytest.mark.parametrize("end", ["..", "", "a\0", "x" * 300])
def test_no_url_names_a_place_outside(end: str, served: Served, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="names a file that"):
        get(tmp_path, OfficialFile(path="a.txt", url=f"{served.url}/{end}"))

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("name", "content"), [("x.zip", zipped()[:-9]), ("x.tar.gz", tarred()[:-40])]
)
def test_a_damaged_archive_is_named(
    name: str, content: bytes, served: Served, tmp_path: Path
) -> None:
    damaged = bytearray(zipped())
    damaged[40] ^= 0xFF
    served.files[name] = bytes(damaged) if name == "x.zip" else content

    with pytest.raises(DataError, match=rf"{name}: cannot be unpacked \(.*; delete it to load it"):
        get(tmp_path, OfficialFile(path="images/", url=f"{served.url}/{name}"))


def test_what_an_archive_holds_lands_in_its_folder(served: Served, tmp_path: Path) -> None:
    """Names that lead outside and links are passed over."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("images/a.jpg", "../images/b.jpg", "/images/c.jpg", "images/../../d.jpg"):
            info = tarfile.TarInfo(name)
            archive.addfile(info)
        link = tarfile.TarInfo("images/e.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    served.files["x.tar"] = buffer.getvalue()

    get(tmp_path, OfficialFile(path="images/", url=f"{served.url}/x.tar"))

    found = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.jpg")]
    assert found == ["t/images/a.jpg"]
