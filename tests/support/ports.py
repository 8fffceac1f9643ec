"""Ports without a listener."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

# Below the ephemeral ports, so that no other process is assigned one before it is used.
PORTS = range(10_000, 30_000)
RANDOM = random.SystemRandom()  # unseeded, so that concurrent test runs choose different ports


def closed_port() -> int:
    """Return a port without a listener."""
    while True:
        port = RANDOM.choice(PORTS)
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
