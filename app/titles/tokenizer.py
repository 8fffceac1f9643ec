"""A text as words: lower case, without accents and trademark signs, with what stands between them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from app.titles.vocabulary import COMPOUND_WORDS, CORE_COUNT_WORDS

# Numbers with decimals, words of letters and digits (and a plus that ends one, as in "8480+"), any other character.
_TOKEN = re.compile(r"[0-9]{1,4}(?:[.,][0-9]{1,3})+(?![0-9])[a-z]*|[a-z0-9]+(?:\+(?![a-z0-9]))?|[^\sa-z0-9]")
_SIGNS = re.compile(r"[®™©]|\((?:r|tm|c)\)")
_WITHOUT = re.compile(r"\bw/o\b")
_WITH = re.compile(r"\bw/|\bmit\b")
_M2 = re.compile(r"\bm\.2\b")
CLOCK = re.compile(r"[0-9]+(?:[.,][0-9]+)?[gm]hz")
ORDINAL = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)")

# ASCII with a space for whatever is no letter.
_LETTERS = "".join(chr(code) if chr(code).isalpha() else " " for code in range(128))
Words = tuple[list[str], list[str]]


class PrefilteredPattern(NamedTuple):
    """A pattern and words, of which every text in which it finds something has one: most texts have none, and looking
    for a word takes a hundredth of the time."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]

    def search(self, text: str) -> re.Match[str] | None:
        """What the pattern finds in a text in lower case."""
        return self.pattern.search(text) if any(map(text.__contains__, self.words)) else None


class KeywordFilter:
    """Whether a text in lower case has one of these words, on its own but for digits and signs around it, or one of
    these parts of words. Splitting is the quickest way to look for many at once."""

    def __init__(self, words: Iterable[str], parts: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._parts = tuple(parts)

    def __call__(self, text: str) -> bool:
        """No for most texts, and soon. What is not ASCII is let through: other letters may become others yet."""
        return (
            not text.isascii()
            or not self._words.isdisjoint(text.translate(_LETTERS).split())
            or any(map(text.__contains__, self._parts))
        )


def tokenize(text: str) -> Words:
    """The words of a text, and the punctuation ("" for none or a space) in front of each and behind the last."""
    words: list[str] = []
    gaps: list[str] = []
    gap = ""
    for found in _TOKEN.findall(_plain(text)):
        if not (found[0].isascii() and found[0].isalnum()):
            gap += found
        elif found == "2" and words and words[-1] == "core" and not _counts_cores(words, len(words) - 1):
            words[-1] = "core2"
        else:
            for part in COMPOUND_WORDS.get(found, (found,)):
                words.append(part)
                gaps.append(gap)
                gap = ""
    gaps.append(gap)
    return words, gaps


def is_count_of_cores(words: list[str], at: int) -> bool:
    """Whether the word is the "core" of "quad core" or "6-core"."""
    return words[at] in {"core", "cores"} and _counts_cores(words, at)


def _counts_cores(words: list[str], at: int) -> bool:
    before = words[at - 1] if at else ""
    return before in CORE_COUNT_WORDS or (
        before.isdigit() and len(before) <= 3 and (at < 2 or words[at - 2] not in _TIERED)
    )


# "Ryzen 5 Core ..." has a tier, no count.
_TIERED = frozenset({"ryzen", "ultra", "ai"})


def _plain(text: str) -> str:
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
