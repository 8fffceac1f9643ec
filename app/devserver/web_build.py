"""The page of `web/`: built when its sources changed, and its documents published. For `dealmark up` and `migrate`.

`python -m app.devserver.web_build check` (or `fix`) runs that script of `web/package.json` where Node is present.
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
OLDEST_NODE = (20, 19)
STEP_SECONDS = 600
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
BUILD = ("run", "build", "--silent")

Tell = Callable[[str], object]


def build(tell: Tell, sources: Path = SOURCES, built: Path = WEB_BUILD_DIR) -> None:
    """Builds the page unless what is there was made of these very sources; what is in the way is told in one line.

    Does nothing where there are no sources: an installed package has the built files.
    """
    if not (sources / "package.json").is_file():
        return
    stamp, wanted = built / ".sources", _fingerprint(sources)
    if _is(stamp, wanted):
        return
    if reason := _no_node():
        state = "older than its sources" if (built / "index.html").is_file() else "not built"
        tell(f"The page is {state}: {reason}. The API runs all the same.")
        return
    with _alone(sources / ".build.lock"):
        if not _is(stamp, wanted):
            tell("Building the page in web/ ...")
            if fault := _install(sources) or _npm(sources, BUILD):
                tell(f"The page could not be built, the API runs all the same. npm says: {fault}")
                return
            stamp.write_text(wanted)


def script(name: str, tell: Tell, sources: Path = SOURCES) -> int:
    """Runs a script of the page's package in the foreground; its exit code, 0 where there is no Node to run it."""
    if reason := _no_node():
        tell(f"`npm run {name}` in web/ is skipped: {reason}.")
        return 0
    if fault := _install(sources):
        tell(fault)
        return 1
    npm = shutil.which("npm")
    assert npm is not None
    return subprocess.run([npm, "run", "--silent", name], cwd=sources, check=False).returncode


def _fingerprint(sources: Path) -> str:
    """Of names and contents of all that the built files are made of."""
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


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def _no_node() -> str | None:
    """Why it cannot be built here; None when it can."""
    needed = f"it needs Node {'.'.join(map(str, OLDEST_NODE))} or newer"
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"{needed}, with npm"
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)", done.stdout)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_NODE:
        return f"{needed}, this is {done.stdout.strip() or 'none that runs'}"
    return None


def _install(sources: Path) -> str | None:
    """`npm ci`, unless what is there was installed from this very lock file; what npm says when it fails."""
    lock = hashlib.sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    stamp = sources / "node_modules" / ".installed"
    with _alone(sources / ".install.lock"):
        if _is(stamp, lock):
            return None
        fault = _npm(sources, INSTALL)
        if fault is None:
            stamp.write_text(lock)
        return fault


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Of several that start at once, one does it; the others find it done."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _npm(folder: Path, arguments: tuple[str, ...]) -> str | None:
    """Runs npm there; what it says when it fails, None otherwise."""
    npm = shutil.which("npm")
    assert npm is not None
    try:
        done = subprocess.run(
            [npm, *arguments], cwd=folder, capture_output=True, text=True, timeout=STEP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"npm {arguments[0]} took more than {STEP_SECONDS} s."
    return None if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip())[:2000]


if __name__ == "__main__":
    sys.exit(script(sys.argv[1], print))
