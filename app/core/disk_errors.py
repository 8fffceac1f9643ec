"""Errors of the disks of this machine, as opposed to those of a connection: both are OSErrors."""

from __future__ import annotations

import errno
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_ERRNOS = FULL | {errno.EFBIG, errno.EROFS, errno.EIO}


def is_disk_error(error: BaseException) -> bool:
    """Return whether an error is about a file: it names one, or says that a disk is full, read-only or broken."""
    return isinstance(error, OSError) and (error.errno in DISK_ERRNOS or error.filename is not None)


def describe_disk_error(error: OSError, path: Path | None = None) -> str:
    """Return a sentence for the operator. `path` is where the program has written if the error does not name a file."""
    place = error.filename2 or error.filename or path
    if error.errno in FULL:
        return f"The disk {f'with {place}' if place else 'of this machine'} is full: free space on it."
    reason = error.strerror or error
    return f"{place} cannot be used: {reason}." if place else f"A file cannot be used: {reason}."
