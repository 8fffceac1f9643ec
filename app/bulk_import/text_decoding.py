"""Decode the text of import files."""

from __future__ import annotations

import codecs
import io
import re

from app.core.errors import BadInput

# The little-endian mark of UTF-32 begins with that of UTF-16, so it comes first.
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Python calls them encodings, too, but no file is in one, and for a few megabytes of punycode it takes hours.
NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})


def is_encoding(name: str) -> bool:
    """Whether files are in an encoding of this name."""
    try:
        "".encode(name)
        return codecs.lookup(name).name not in NOT_OF_FILES
    except (LookupError, ValueError):  # UnicodeError is one, and so is what a zero character causes
        return False


def decode(name: str, data: bytes, encoding: str | None) -> str:
    """`data` as text. Raises BadInput naming the file and the line that does not decode."""
    return _Decoder(name, data, encoding).decode(data, final=True)


class _Decoder:
    """Bytes to text with line feeds, and for bytes that are no text a sentence with the line."""

    def __init__(self, name: str, first: bytes, encoding: str | None) -> None:
        mark = next((mark for mark in BOMS if first.startswith(mark[0])), None)
        self._skip = len(mark[0]) if mark else 0
        self._encoding = mark[1] if mark else encoding or "utf-8"
        self._name = name
        self._lines = 0
        if not mark and not encoding and len(first) > 8 and set(first[1:9:2]) == {0} and 0 not in first[0:9:2]:
            raise BadInput(f"{name} looks like UTF-16 without BOM: say so with --encoding utf-16-le.")
        if not is_encoding(self._encoding):
            raise BadInput(f'There is no encoding "{encoding}"; utf-8, utf-16 and cp1252 are usual ones.')
        decoder = codecs.getincrementaldecoder(self._encoding)("strict")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text of the next piece."""
        try:
            text = self._decoder.decode(data[self._skip :], final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding, "ignore")
            line = self._lines + len(re.findall(r"\r\n|\r|\n", before)) + 1
            raise BadInput(
                f"{self._name}, line {line}, is not {self._encoding}: save the file as UTF-8, "
                "or name its encoding with --encoding (cp1252, for example)."
            ) from None
        except UnicodeError:
            raise BadInput(
                f"{self._name} has no BOM, without which {self._encoding} does not say the order of its bytes: "
                "try --encoding utf-16-le or utf-16-be, or save the file as UTF-8."
            ) from None
        self._skip = 0
        self._lines += text.count("\n")
        return text
