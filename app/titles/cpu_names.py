"""Parse the names of CPUs: vendor, product line, model number, and the other words that a title needs to match."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.titles.tokenizer import CLOCK, is_core_count, tokenize
from app.titles.vocabulary import (
    CORE_2_QX_MODELS,
    CORE_COUNT_WORDS,
    CORE_I,
    FAMILY_VENDORS,
    FILLER_WORDS,
    IGNORED_NAME_WORDS,
    LINE_WORDS,
    METALS,
    OPTERON_SUFFIXES,
    VENDORS,
    XEON_E_SERIES,
)  # fmt: skip

_MULTI_CPU = re.compile(r"^\[([a-z0-9-]+) cpu\] *")
_CLOCK = re.compile(r"([0-9]+(?:\.[0-9]+)?)\+? ?ghz")
_SMALL_MODEL = re.compile(r"z[12]|m[1-9]|[0-9]y[0-9]{2}")
_SHORT_MODEL = re.compile(r"[a-z]{1,2}[0-9]{2}|l16g7")  # "TL-50" and "C-60" after joining
_MODEL = re.compile(r"(?:[a-z]{0,3}[0-9]|[0-9][a-z])[a-z0-9]*\+?")
_NUMBER = re.compile(r"([a-z]{0,3}[0-9]+)([a-z].*|\+)?")
_DIGITS = re.compile(r"[0-9]")
_HYPHENATED = re.compile(r"[a-z]{1,2}")
VERSION = re.compile(r"v[1-9]")


@dataclass(frozen=True, slots=True)
class CatalogCpu:
    """A CPU of the catalogue with its parsed name."""

    id: int
    name: str
    slug: str
    vendor: str | None
    line: frozenset[str]  # the words of the product line: {"core", "i5"}
    model: str  # the model number with its suffix: "8500t"
    required_words: frozenset[str]  # words of the line that a title must contain
    allowed_words: frozenset[str]  # words of lines that a title may contain
    trailing_words: frozenset[str]  # words after the model that distinguish CPUs: {"creator", "edition"}
    words: frozenset[str]
    clocks: frozenset[str]  # GHz as printed in the name; they distinguish names that are equal otherwise
    multi_cpu: str  # "dual" for a row about a board with two CPUs, else ""
    generation: int | None = None
    phrase: tuple[str, ...] = field(default=())  # all words of a name that only matches as a whole, else ()


def parse_cpu_name(cpu_id: int, name: str, slug: str) -> CatalogCpu | None:
    """Parse a name of the catalogue. Returns None if no title can identify the CPU by this name."""
    text = name.lower()
    multi_cpu = _MULTI_CPU.match(text)
    head, _, tail = text[multi_cpu.end() if multi_cpu else 0 :].partition("@")
    phrase, gaps = tokenize(head)
    words, _ = join_model_parts(phrase, gaps)
    while words and (CLOCK.fullmatch(words[-1]) or words[-1] in {"mhz", "ghz"}):
        words.pop()
        if words and words[-1].isdigit() and words[-1] != "4" and "mhz" in head:
            words.pop()
    index = _find_model(words)
    clocks = frozenset(f"{float(clock):g}" for clock in _CLOCK.findall(tail or head))
    vendor = next((word for word in words if word in VENDORS), None)
    common = (frozenset(words), clocks, multi_cpu[1] if multi_cpu else "")
    line = None if index is None else _line_before(words[:index])
    if index is None or line is None:
        return _parse_phrase(cpu_id, name, slug, vendor, phrase, common)
    model = words[index]
    vendor = vendor or next((FAMILY_VENDORS[word] for word in words if word in FAMILY_VENDORS), None)
    if not line & FAMILY_VENDORS.keys() and (line or vendor not in {"intel", "amd"} or model.isdigit()):
        return _parse_phrase(cpu_id, name, slug, vendor, phrase, common)
    trailing = frozenset(word for i, word in enumerate(words) if i > index and not _is_ignored(words, i))
    optional = _optional_words(line, model)
    required, allowed = line - optional, line | optional
    return CatalogCpu(
        cpu_id, name, slug, vendor, line, model, required, allowed, trailing, *common, generation(line, model)
    )


def join_model_parts(words: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    """Join the parts of model numbers: "2680 v4", "w-2145", "1212 he". Returns words and the gaps before them."""
    joined: list[str] = []
    joined_gaps: list[str] = []
    for word, gap in zip(words, gaps, strict=False):  # drops the gap after the last word
        before = joined[-1] if joined else ""
        is_suffix = VERSION.fullmatch(word) or word in OPTERON_SUFFIXES
        if is_suffix and _count_digits(before) >= 3:
            joined[-1] += word
        elif gap == "-" and word[0].isdigit() and _HYPHENATED.fullmatch(before):
            if before in LINE_WORDS and before not in {"d", "m"} and not (before == "fx" and len(word) == 2):
                joined.append(word)
                joined_gaps.append(gap)
            else:
                joined[-1] += word
        elif gap == "-" and before in {"g", "gx", "rx", "r"} and _count_digits(word) >= 2:
            joined[-1] += word
        else:
            joined.append(word)
            joined_gaps.append(gap)
    return joined, joined_gaps


def generation(line: frozenset[str], model: str) -> int | None:
    """Return the generation in the model number of an Intel Core i, None for other lines."""
    if not line & CORE_I:
        return None
    number = re.match(r"[0-9]+", model)
    if number is None:
        return None
    digits, suffix = number[0], model[number.end() :]
    if len(digits) == 5:
        return int(digits[:2])
    if len(digits) == 4:
        return int(digits[:2]) if digits[0] == "1" and suffix else int(digits[0])
    return 1 if len(digits) == 3 else None


def _count_digits(word: str) -> int:
    return len(_DIGITS.findall(word))


def _find_model(words: Sequence[str]) -> int | None:
    """Return the index of the model number: the first word with three digits, or one of the few shorter ones."""
    for index, word in enumerate(words):
        if _SMALL_MODEL.fullmatch(word) or (_MODEL.fullmatch(word) and _count_digits(word) >= 3):
            return index
        if word not in LINE_WORDS and _SHORT_MODEL.fullmatch(word):
            return index
    return None


def _line_before(words: list[str]) -> frozenset[str] | None:
    """Return the words of the product line before the model number, None if there are words of unknown meaning."""
    line: set[str] = set()
    for index, word in enumerate(words):
        if word in VENDORS or is_core_count(words, index):
            continue
        if word in CORE_COUNT_WORDS:
            continue
        if word in LINE_WORDS:
            line.add(word)
        elif word not in FILLER_WORDS:
            return None
    return frozenset(line)


def _is_ignored(words: list[str], index: int) -> bool:
    word = words[index]
    return word in IGNORED_NAME_WORDS or bool(CLOCK.fullmatch(word)) or (word.isdigit() and len(word) <= 2)


_N_MODEL = re.compile(r"n[0-9]{3}")
_RYZEN_OPTIONAL = frozenset({"3", "5", "7", "9", "embedded"})
# Words of the line -> words that a title may omit or add with this line.
_OPTIONAL_WORDS = (
    (CORE_I, frozenset({"core", "extreme", "edition"})),
    (frozenset({"ultra", "m3", "m5", "m7"}), frozenset({"core"})),
    (frozenset({"core2"}), frozenset({"duo", "quad", "solo"})),
    (XEON_E_SERIES | {"w3", "w5", "w7", "w9"}, frozenset({"xeon"})),
    (frozenset({"atom"}), frozenset({"x5", "x7"})),
    (frozenset({"threadripper"}), frozenset({"ryzen"})),
    (frozenset({"phenom"}), frozenset({"x2", "x3", "x4"})),
)


def _optional_words(line: frozenset[str], model: str) -> frozenset[str]:
    """Return the words of the line that a title may omit or add, because the number identifies the CPU without them."""
    if line & CORE_I and _N_MODEL.fullmatch(model):
        return CORE_I | {"core"}
    if line & {"pentium", "celeron"}:
        return frozenset({"gold", "silver"} if model[0].isalpha() else ())
    if "athlon" in line:
        return METALS & line
    if "ryzen" in line and "threadripper" not in line:
        return line & _RYZEN_OPTIONAL if _count_digits(model) >= 4 else frozenset()
    if line >= {"phenom", "ii"}:
        return frozenset()
    return next((optional for line_words, optional in _OPTIONAL_WORDS if line & line_words), frozenset())


def _parse_phrase(
    cpu_id: int,
    name: str,
    slug: str,
    vendor: str | None,
    words: list[str],
    common: tuple[frozenset[str], frozenset[str], str],
) -> CatalogCpu | None:
    """Return a CPU that only its complete name identifies, None if the name is only a vendor, a line and a clock."""
    own_words = [word for word in words if word not in LINE_WORDS and not CLOCK.fullmatch(word)]
    numbers = [
        word
        for word, after in zip(own_words, [*own_words[1:], ""], strict=True)
        if _count_digits(word) >= 2 and after != "mhz"
    ]
    if not 2 <= len(words) <= 12 or not any(not word.isdigit() or len(word) >= 3 for word in numbers):
        return None
    empty: frozenset[str] = frozenset()
    return CatalogCpu(
        cpu_id, name, slug, vendor, empty, " ".join(words), empty, empty, empty, *common, phrase=tuple(words)
    )


def alternative_models(cpu: CatalogCpu) -> tuple[str, ...]:
    """Return other model numbers of the CPU in shops: quad-core Core 2 Extreme are sold as QX."""
    return (f"qx{cpu.model[1:]}",) if {"core2", "extreme"} <= cpu.line and cpu.model in CORE_2_QX_MODELS else ()


def split_model(model: str) -> tuple[str, str]:
    """Return the number and the suffix: "8500t" is "8500" and "t", "2630lv3" is "2630" and "lv3"."""
    match = _NUMBER.fullmatch(model)
    return (match[1], match[2] or "") if match else (model, "")
