"""Split a text into lower-case words without accents and trademark signs, and the punctuation between them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from app.titles.vocabulary import COMPOUND_WORDS, CORE_COUNT_WORDS

# A number with decimals, a word of letters and digits (with a final plus, as in "8480+"), or any other character.
_TOKEN = re.compile(r"[0-9]{1,4}(?:[.,][0-9]{1,3})+(?![0-9])[a-z]*|[a-z0-9]+(?:\+(?![a-z0-9]))?|[^\sa-z0-9]")
_SIGNS = re.compile(r"[®™©]|\((?:r|tm|c)\)")
_WITHOUT = re.compile(r"\bw/o\b")
_WITH = re.compile(r"\bw/|\bmit\b")
_M2 = re.compile(r"\bm\.2\b")
CLOCK = re.compile(r"[0-9]+(?:[.,][0-9]+)?[gm]hz")
ORDINAL = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)")

# Translation table: every ASCII character that is not a letter becomes a space.
_LETTERS_ONLY = "".join(chr(code) if chr(code).isalpha() else " " for code in range(128))


class PrefilteredPattern(NamedTuple):
    """A pattern with a fast filter: every text that the pattern matches contains at least one of the substrings.

    Most texts contain none, and a substring search takes a hundredth of the time of a regular expression.
    """

    substrings: tuple[str, ...]
    pattern: re.Pattern[str]

    def search(self, text: str) -> re.Match[str] | None:
        """Search a lower-case text."""
        return self.pattern.search(text) if any(map(text.__contains__, self.substrings)) else None


class KeywordFilter:
    """Fast filter for lower-case texts that may contain one of many words or substrings.

    Words are delimited by anything but letters. Splitting the text once is the fastest way to look for many words.
    """

    def __init__(self, words: Iterable[str], substrings: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._substrings = tuple(substrings)

    def __call__(self, text: str) -> bool:
        """Return whether the text may contain a keyword.

        Always true for text that is not ASCII, because tokenization can convert other letters to ASCII.
        """
        return (
            not text.isascii()
            or not self._words.isdisjoint(text.translate(_LETTERS_ONLY).split())
            or any(map(text.__contains__, self._substrings))
        )


def tokenize(text: str) -> tuple[list[str], list[str]]:
    """Return the words of a text and the gaps: the punctuation before each word, and after the last one.

    A gap is "" if there is no punctuation or only whitespace. There is one gap more than words.
    """
    words: list[str] = []
    gaps: list[str] = []
    gap = ""
    for part in _TOKEN.findall(_normalize(text)):
        if not (part[0].isascii() and part[0].isalnum()):
            gap += part
        elif part == "2" and words and words[-1] == "core" and not _has_core_count_before(words, len(words) - 1):
            words[-1] = "core2"
        else:
            for word in COMPOUND_WORDS.get(part, (part,)):
                words.append(word)
                gaps.append(gap)
                gap = ""
    gaps.append(gap)
    return words, gaps


def is_core_count(words: list[str], index: int) -> bool:
    """Whether the word is the "core" of "quad core" or "6-core"."""
    return words[index] in {"core", "cores"} and _has_core_count_before(words, index)


def _has_core_count_before(words: list[str], index: int) -> bool:
    before = words[index - 1] if index else ""
    if before in CORE_COUNT_WORDS:
        return True
    return before.isdigit() and len(before) <= 3 and (index < 2 or words[index - 2] not in _TIERED_LINES)


# A number after these words is a tier, not a count of cores: "Ryzen 5 Core ...".
_TIERED_LINES = frozenset({"ryzen", "ultra", "ai"})


def _normalize(text: str) -> str:
    text = text.lower()
    if not text.isascii():
        text = _SIGNS.sub(" ", text)
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()
    if "(" in text:
        text = _SIGNS.sub(" ", text)
    if "w/" in text:
        text = _WITH.sub(" with ", _WITHOUT.sub(" without ", text))
    if "m.2" in text:
        text = _M2.sub("mdot2", text)
    return text
