"""Detect the encoding of import files and decode them."""

from __future__ import annotations

import codecs
import io
import re

from app.core.errors import BadInput

# The little-endian BOM of UTF-32 starts with that of UTF-16, so it must be compared first.
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Python codecs that no file uses; to decode a few megabytes as punycode takes hours.
NON_FILE_ENCODINGS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})


def is_text_encoding(name: str) -> bool:
    """Return whether `name` is an encoding that a file can have."""
    try:
        "".encode(name)
        return codecs.lookup(name).name not in NON_FILE_ENCODINGS
    except (LookupError, ValueError):  # ValueError: a UnicodeError, or a NUL character in the name
        return False


def decode_text(name: str, data: bytes, encoding: str | None) -> str:
    """Decode a whole file. Raise BadInput, naming the file and the line, if it cannot be decoded."""
    return StreamDecoder(name, data, encoding).decode(data, final=True)


class StreamDecoder:
    """Incremental decoder that converts line ends to line feeds and reports the line of an undecodable byte.

    The encoding is that of the BOM in the first chunk, else the given one, else UTF-8.
    """

    def __init__(self, name: str, first_chunk: bytes, encoding: str | None) -> None:
        bom = next((bom for bom in BOMS if first_chunk.startswith(bom[0])), None)
        self._skip = len(bom[0]) if bom else 0
        self._encoding = bom[1] if bom else encoding or "utf-8"
        self._name = name
        self._lines = 0
        odd, even = first_chunk[1:9:2], first_chunk[0:9:2]
        if not bom and not encoding and len(first_chunk) > 8 and set(odd) == {0} and 0 not in even:
            raise BadInput(f"{name} looks like UTF-16 without a BOM: use --encoding utf-16-le.")
        if not is_text_encoding(self._encoding):
            raise BadInput(f'"{encoding}" is not a known encoding; common ones are utf-8, utf-16 and cp1252.')
        decoder = codecs.getincrementaldecoder(self._encoding)("strict")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """Return the text of the next chunk. Raise BadInput if it cannot be decoded."""
        try:
            text = self._decoder.decode(data[self._skip :], final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding, "ignore")
            line = self._lines + len(re.findall(r"\r\n|\r|\n", before)) + 1
            raise BadInput(
                f"{self._name}, line {line}, is not valid {self._encoding}: save the file as UTF-8, "
                "or pass its encoding with --encoding (for example cp1252)."
            ) from None
        except UnicodeError:
            raise BadInput(
                f"{self._name} has no BOM, so the byte order of {self._encoding} is unknown: "
                "use --encoding utf-16-le or utf-16-be, or save the file as UTF-8."
            ) from None
        self._skip = 0
        self._lines += text.count("\n")
        return text
