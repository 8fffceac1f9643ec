"""Build of the web page in `web/`, for `dealmark up`.

`python -m app.devserver.web_build check` (or `fix`) runs that script of web/package.json, if Node is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.server.static_files import WEB_BUILD_DIR

SOURCES = Path(__file__).parents[2] / "web"
SCHEMA = SOURCES.parent / "schema.graphql"
NOT_SOURCES = {"node_modules", "gql", "e2e", "README.md", "catalogue.png"}
MIN_NODE_VERSION = (20, 19)
NPM_TIMEOUT_SECONDS = 600
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
BUILD = ("run", "build", "--silent")

Echo = Callable[[str], object]


def build(echo: Echo, sources: Path = SOURCES, build_dir: Path = WEB_BUILD_DIR) -> None:
    """Build the web page if its sources have changed since the last build. A failure is only reported.

    Do nothing if there are no sources: an installed package contains the built files.
    """
    if not (sources / "package.json").is_file():
        return
    stamp, fingerprint = build_dir / ".sources", _fingerprint(sources)
    if _stamp_equals(stamp, fingerprint):
        return
    if problem := missing_node():
        state = "older than its sources" if (build_dir / "index.html").is_file() else "not built"
        echo(f"The web page is {state}: {problem}. The API runs without it.")
        return
    with _file_lock(sources / ".build.lock"):
        if not _stamp_equals(stamp, fingerprint):
            echo("Building the web page ...")
            if error := install_packages(sources) or _npm(sources, BUILD):
                echo(f"The web page could not be built; the API runs without it. npm reports: {error}")
                return
            stamp.write_text(fingerprint)


def run_script(name: str, echo: Echo, sources: Path = SOURCES) -> int:
    """Run a script of web/package.json in the foreground. Return its exit code, or 0 if Node is not installed."""
    if problem := missing_node():
        echo(f"Skipping `npm run {name}` in web/: {problem}.")
        return 0
    if error := install_packages(sources):
        echo(error)
        return 1
    npm = shutil.which("npm")
    assert npm is not None
    return subprocess.run([npm, "run", "--silent", name], cwd=sources, check=False).returncode


def _fingerprint(sources: Path) -> str:
    """Return a hash of the names and contents of all source files, including the GraphQL schema."""
    digest = hashlib.sha256()
    for path in [*_files(sources), *([SCHEMA] if SCHEMA.is_file() else [])]:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_SOURCES or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _stamp_equals(stamp: Path, value: str) -> bool:
    return stamp.is_file() and stamp.read_text() == value


def missing_node() -> str | None:
    """Return why Node cannot be used, for example because it is too old; None if it can."""
    requirement = f"it needs Node {'.'.join(map(str, MIN_NODE_VERSION))} or newer"
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"{requirement}, with npm"
    process = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.(\d+)", process.stdout)
    if version is None or (int(version[1]), int(version[2])) < MIN_NODE_VERSION:
        return f"{requirement}, but `node --version` prints {process.stdout.strip() or 'nothing'}"
    return None


def install_packages(sources: Path) -> str | None:
    """Run `npm ci` unless the packages of this lock file are installed. Return npm's error message, if any."""
    lock_file_hash = hashlib.sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    stamp = sources / "node_modules" / ".installed"
    with _file_lock(sources / ".install.lock"):
        if _stamp_equals(stamp, lock_file_hash):
            return None
        error = _npm(sources, INSTALL)
        if error is None:
            stamp.write_text(lock_file_hash)
        return error


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, so that only one of several processes builds."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _npm(folder: Path, arguments: tuple[str, ...]) -> str | None:
    """Run npm in a folder. Return its error message, or None if it succeeded."""
    npm = shutil.which("npm")
    assert npm is not None
    try:
        process = subprocess.run(
            [npm, *arguments], cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"npm {arguments[0]} took more than {NPM_TIMEOUT_SECONDS} s."
    return None if process.returncode == 0 else (process.stderr.strip() or process.stdout.strip())[:2000]


if __name__ == "__main__":
    sys.exit(run_script(sys.argv[1], print))
