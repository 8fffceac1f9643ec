"""Check of the address on which a server is about to listen."""

from __future__ import annotations

import errno
import socket
import time

from app.core.errors import StartupError

CHECK_INTERVAL_SECONDS = 0.05


def check_port(host: str, port: int, timeout_seconds: float = 0.0) -> None:
    """Check that a server can listen on a port. Raises StartupError if the port stays in use for the timeout."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise StartupError(
                    f"Port {port} of {host} cannot be used ({error.strerror}): set DEALMARK_PORT and DEALMARK_HOST."
                ) from None
            if time.monotonic() >= deadline:
                raise StartupError(f"Port {port} is used by another program: stop it, or set DEALMARK_PORT.") from None
            time.sleep(CHECK_INTERVAL_SECONDS)
        else:
            return
