"""Worker processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.settings import Settings
from tests.support.url_imports import QUICK_SETTINGS


@contextmanager
def run_worker(settings: Settings, output: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker process."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DEALMARK_")}
    own = {f"DEALMARK_{name.upper()}": value for name, value in QUICK_SETTINGS.items()}
    told = {name: json.dumps(value) if isinstance(value, tuple) else str(value) for name, value in own.items()}
    servers = {"DATABASE_URL": settings.required_database_url, "REDIS_URL": settings.required_redis_url}
    with output.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"],
            env={**plain, **told, **servers, "DEALMARK_POLL_INTERVAL_SECONDS": "1", **environment},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class WorkerCrew:
    """Worker processes with these settings; their output goes to a file."""

    def __init__(self, settings: Settings, output: Path) -> None:
        self.output = output
        far = datetime.now(UTC) + timedelta(hours=12)  # no scheduled job interferes
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("DEALMARK_")} | {
            "DATABASE_URL": settings.required_database_url,
            "REDIS_URL": settings.required_redis_url,
            "DEALMARK_RECALCULATION_AT": f"{far:%H:%M}",
            "DEALMARK_VERIFICATION_AT": f"{far:%H:%M}",
            "DEALMARK_CLEAN_UP_AT": f"{far:%H:%M}",
            "DEALMARK_POLL_INTERVAL_SECONDS": "1",
        }
        self._workers: list[subprocess.Popen[bytes]] = []

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "worker"],
                env=self._environment | environment,
                stdout=output,
                stderr=output,
            )
        self._workers.append(worker)
        return worker

    def dismiss(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()
