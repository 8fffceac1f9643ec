"""Ports where nothing listens."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

# Below the ones that systems hand out: nobody else gets one by chance between its choice and its use.
PORTS = range(10_000, 30_000)
RANDOM = random.SystemRandom()  # not seeded by anybody: tests that run at once must not choose alike


def closed_port() -> int:
    """A port where nothing listens."""
    while True:
        port = RANDOM.choice(PORTS)
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
