"""Compressed bodies, taken apart in pieces of bounded size: a bomb is recognised before it has gone off."""

from __future__ import annotations

import zlib
from typing import Protocol

from app.ingestion.fetch.errors import TooLarge, WrongType

ACCEPTED = "gzip, deflate"
# What one step may inflate to; so much memory is used whatever the server sends.
STEP_BYTES = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS  # zlib's name for its wrapper
# gzip may be made of members; of an endless row of empty ones each costs time and none adds bytes.
MOST_MEMBERS = 1000


class Decoder(Protocol):
    """Takes the chunks of a body, and adds what they mean to `into`. Raises TooLarge above `limit` bytes in all."""

    def feed(self, chunk: bytes, into: bytearray, limit: int) -> None: ...

    def finish(self) -> None:
        """Raises WrongType when the body ended too early."""


def decoder(encoding: str) -> Decoder:
    """For the value of a Content-Encoding header. Raises WrongType for others than were asked for, and for several."""
    match encoding.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip":
            return Inflater(is_gzip=True)
        case "deflate":
            return Inflater(is_gzip=False)
        case _:
            raise WrongType("The page is compressed in a way that was not asked for.")


def too_large(limit: int) -> TooLarge:
    """The error for a body of more bytes than `limit`."""
    return TooLarge(f"The page has more than {limit:,} bytes.")


class Plain:
    """A body that is not compressed."""

    def feed(self, chunk: bytes, into: bytearray, limit: int) -> None:
        if len(into) + len(chunk) > limit:
            raise too_large(limit)
        into += chunk

    def finish(self) -> None:
        """Nothing can be missing that HTTP does not see."""


class Inflater:
    """gzip, zlib, and the bare deflate that some servers send under the name of zlib."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._inflate = zlib.decompressobj(GZIP) if is_gzip else None
        self._held = b""  # the first byte, when one is not enough to tell zlib from deflate
        self._fed = False
        self._members = 1

    def feed(self, chunk: bytes, into: bytearray, limit: int) -> None:
        self._fed = self._fed or bool(chunk)
        rest, self._held, pending = self._held + chunk, b"", False
        if self._inflate is None:
            if len(rest) < 2:
                self._held = rest
                return
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if is_zlib(rest) else -zlib.MAX_WBITS)
        try:
            while rest or pending:
                if self._ended():
                    rest, pending = self._next_member(rest), False
                    continue
                piece = self._inflate.decompress(rest, STEP_BYTES)
                into += piece
                if len(into) > limit:
                    raise too_large(limit)
                pending = len(piece) == STEP_BYTES  # all of the input may be taken, and still some output be left
                rest = self._inflate.unused_data if self._ended() else self._inflate.unconsumed_tail
        except zlib.error:
            raise WrongType("The page is not compressed as it says it is.") from None

    def finish(self) -> None:
        if self._fed and not self._ended():
            raise WrongType("The page is cut off within its compression.")

    def _ended(self) -> bool:
        return self._inflate is not None and self._inflate.eof

    def _next_member(self, rest: bytes) -> bytes:
        """What follows the end of a gzip member: another one, or filling, which is left out."""
        self._members += 1
        if not self._is_gzip or not rest.startswith(b"\x1f") or self._members > MOST_MEMBERS:
            return b""
        self._inflate = zlib.decompressobj(GZIP)
        return rest


def is_zlib(start: bytes) -> bool:
    """Whether a body begins as RFC 1950 says."""
    return start[0] & 0x0F == 8 and int.from_bytes(start[:2]) % 31 == 0
