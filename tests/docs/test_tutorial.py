"""The README and the tutorial, run as a reader would: `dealmark up`, then every command, with its output compared."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.pages import ROOT, Step, blocks, steps

TUTORIAL = ROOT / "docs" / "tutorial.md"
DEALMARK = Path(sys.executable).with_name("dealmark")
START_SECONDS = 240.0  # the first start may build the web page
FOLLOW_SECONDS = 30.0  # until figures follow an import, on a busy machine


class Reader:
    """A person who follows the tutorial in a folder of their own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        ours = ("DATABASE_URL", "REDIS_URL", "DEALMARK_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment |= {"DEALMARK_DATA_DIR": str(folder / "data"), "DEALMARK_PORT": str(port)}
        # Ids that the page shows -> ids of this run.
        self.ids: dict[str, str] = {}

    def follow(self, step: Step) -> None:
        """Run a command and compare its output; repeat a query until figures have followed."""
        assignment = re.fullmatch(r"([A-Z]+)=\$\((.*)\)", step.command)
        if assignment is not None:
            self.environment[assignment[1]] = self.run(assignment[2]).strip()
            return
        deadline = time.monotonic() + FOLLOW_SECONDS
        repeatable = step.command.startswith("curl") and "mutation" not in step.command
        while True:
            output = self.run(step.command).strip("\n")
            if self.shows(step.output, output):
                return
            if not repeatable or time.monotonic() > deadline:
                pytest.fail(f"{step.command}\n{step.output}\n--- but\n{output}")
            time.sleep(0.2)

    def run(self, command: str) -> str:
        """Return what a command prints."""
        command = command.replace("localhost:8000", f"127.0.0.1:{self.port}")
        command = command.replace(".venv/bin/dealmark", str(DEALMARK))
        for documented, actual in self.ids.items():
            command = command.replace(documented, actual)
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def shows(self, documented: str, actual: str) -> bool:
        """Whether the output is the documented one. `...` stands for any text; ids may differ."""
        try:
            return self.equal(json.loads(documented), json.loads(actual))
        except ValueError:
            pattern = ".*".join(map(re.escape, documented.split("...")))
            return re.fullmatch(pattern, actual, re.DOTALL) is not None

    def equal(self, documented: Any, actual: Any) -> bool:
        """Compare values of JSON, and learn ids on the way."""
        if isinstance(documented, dict) and isinstance(actual, dict):
            return documented.keys() == actual.keys() and all(
                self.equal(value, actual[name]) for name, value in documented.items()
            )
        if isinstance(documented, list) and isinstance(actual, list):
            return len(documented) == len(actual) and all(map(self.equal, documented, actual))
        if is_global_id(documented) and is_global_id(actual):
            self.ids[documented] = actual
            return True
        return bool(documented == actual)


def is_global_id(value: object) -> bool:
    """Whether this is a type and a key in base64."""
    try:
        return (
            isinstance(value, str)
            and re.fullmatch(rb"[A-Za-z]+:\d+", base64.b64decode(value, validate=True)) is not None
        )
    except binascii.Error:
        return False


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Start `dealmark up` for a reader."""
    folder = Path(tempfile.mkdtemp(prefix="dm-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reading = Reader(folder, port)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([DEALMARK, "up"], env=reading.environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(port):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield reading
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        shutil.rmtree(folder)


def is_ready(port: int) -> bool:
    """Whether the API serves."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_commands_print_the_documented_output(reader: Reader) -> None:
    for block in [*blocks(ROOT / "README.md"), *blocks(TUTORIAL)]:
        if block.title is not None:
            (reader.folder / block.title).write_text(block.text + "\n")
        elif block.language == "console":
            for step in steps(block):
                reader.follow(step)
    assert reader.ids, "the tutorial shows no id"


def test_tutorial_has_commands_to_run() -> None:
    commands = [step for block in blocks(TUTORIAL) if block.language == "console" for step in steps(block)]
    assert len(commands) >= 10
