"""Decompress response bodies in steps of bounded size, so that a decompression bomb cannot exhaust memory."""

from __future__ import annotations

import zlib
from typing import Protocol

from app.ingestion.fetch.errors import PageTooLarge, UnsupportedContentType

ACCEPT_ENCODING = "gzip, deflate"
# Bytes that one decompression step may return. This bounds the memory for any input.
MAX_STEP_BYTES = 64 * 1024
GZIP_WBITS = 16 + zlib.MAX_WBITS  # makes zlib read the gzip format
# A gzip stream is a sequence of members. Empty members cost time without adding bytes.
MAX_GZIP_MEMBERS = 1000


class BodyDecoder(Protocol):
    """Incremental decoder of a response body."""

    def feed(self, chunk: bytes, output: bytearray, limit: int) -> None:
        """Decode a chunk and append the result to `output`. Raises PageTooLarge above `limit` bytes in total."""

    def finish(self) -> None:
        """Check the end of the body. Raises UnsupportedContentType if the body is incomplete."""


def create_decoder(encoding: str) -> BodyDecoder:
    """Return a decoder for a Content-Encoding header. Raises UnsupportedContentType for other or several encodings."""
    match encoding.strip().lower():
        case "" | "identity":
            return IdentityDecoder()
        case "gzip" | "x-gzip":
            return InflateDecoder(is_gzip=True)
        case "deflate":
            return InflateDecoder(is_gzip=False)
        case _:
            raise UnsupportedContentType(
                f"The page has the content encoding {encoding[:80]!r}, which was not requested."
            )


def too_large_error(limit: int) -> PageTooLarge:
    """Return the error for a body of more than `limit` bytes."""
    return PageTooLarge(f"The page has more than {limit:,} bytes.")


class IdentityDecoder:
    """Decoder of a body that is not compressed."""

    def feed(self, chunk: bytes, output: bytearray, limit: int) -> None:
        if len(output) + len(chunk) > limit:
            raise too_large_error(limit)
        output += chunk

    def finish(self) -> None:
        """Do nothing: HTTP itself detects an incomplete body."""


class InflateDecoder:
    """Decoder of gzip, zlib, and the raw deflate data that some servers send instead of zlib."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._inflate = zlib.decompressobj(GZIP_WBITS) if is_gzip else None
        self._first_byte = b""  # kept until the second byte shows whether the data is zlib or raw deflate
        self._has_input = False
        self._members = 1

    def feed(self, chunk: bytes, output: bytearray, limit: int) -> None:
        self._has_input = self._has_input or bool(chunk)
        rest, self._first_byte, pending = self._first_byte + chunk, b"", False
        if self._inflate is None:
            if len(rest) < 2:
                self._first_byte = rest
                return
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if has_zlib_header(rest) else -zlib.MAX_WBITS)
        try:
            while rest or pending:
                if self._has_ended():
                    rest, pending = self._next_member(rest), False
                    continue
                piece = self._inflate.decompress(rest, MAX_STEP_BYTES)
                output += piece
                if len(output) > limit:
                    raise too_large_error(limit)
                pending = len(piece) == MAX_STEP_BYTES  # zlib may hold more output although it consumed all input
                rest = self._inflate.unused_data if self._has_ended() else self._inflate.unconsumed_tail
        except zlib.error:
            raise UnsupportedContentType("The page is not valid in the content encoding that it declares.") from None

    def finish(self) -> None:
        if self._has_input and not self._has_ended():
            raise UnsupportedContentType("The compressed page is incomplete.")

    def _has_ended(self) -> bool:
        return self._inflate is not None and self._inflate.eof

    def _next_member(self, rest: bytes) -> bytes:
        """Start the next gzip member and return its bytes, or drop the padding after the last member."""
        self._members += 1
        if not self._is_gzip or not rest.startswith(b"\x1f") or self._members > MAX_GZIP_MEMBERS:
            return b""
        self._inflate = zlib.decompressobj(GZIP_WBITS)
        return rest


def has_zlib_header(start: bytes) -> bool:
    """Whether the first two bytes are a zlib header (RFC 1950)."""
    return start[0] & 0x0F == 8 and int.from_bytes(start[:2]) % 31 == 0
