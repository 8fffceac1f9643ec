"""What the name of a CPU says: maker, product line, model number, and what else a title must say to mean it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.titles.tokenizer import CLOCK, is_count_of_cores, tokenize
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

_SEVERAL = re.compile(r"^\[([a-z0-9-]+) cpu\] *")
_CLOCK = re.compile(r"([0-9]+(?:\.[0-9]+)?)\+? ?ghz")
_SMALL_MODEL = re.compile(r"z[12]|m[1-9]|[0-9]y[0-9]{2}")
_SHORT_MODEL = re.compile(r"[a-z]{1,2}[0-9]{2}|l16g7")  # "TL-50" and "C-60", put together
_MODEL = re.compile(r"(?:[a-z]{0,3}[0-9]|[0-9][a-z])[a-z0-9]*\+?")
_NUMBER = re.compile(r"([a-z]{0,3}[0-9]+)([a-z].*|\+)?")
_DIGITS = re.compile(r"[0-9]")
_HYPHENATED = re.compile(r"[a-z]{1,2}")
VERSION = re.compile(r"v[1-9]")


@dataclass(frozen=True, slots=True)
class NamedCpu:
    """A CPU of the catalogue as titles name it. `needs` and `may`: words of the line that a title must and may have."""

    id: int
    name: str
    slug: str
    vendor: str | None
    line: frozenset[str]
    model: str
    needs: frozenset[str]
    may: frozenset[str]
    extras: frozenset[str]  # words behind the model that make it another row: "creator edition"
    words: frozenset[str]
    clocks: frozenset[str]  # GHz as printed, to tell rows apart that differ in it alone
    several: str  # "dual" where the row is about a board with two of them
    generation: int | None = None
    phrase: tuple[str, ...] = field(
        default=()
    )  # of a name without a model number that could stand alone: all its words


def parse_cpu_name(key: int, name: str, slug: str) -> NamedCpu | None:
    """The CPU of a row of the catalogue; None when its name has nothing by which a title could name it."""
    text = name.lower()
    several = _SEVERAL.match(text)
    head, _, tail = text[several.end() if several else 0 :].partition("@")
    spoken = tokenize(head)
    words, _ = join_model_parts(*spoken)
    while words and (CLOCK.fullmatch(words[-1]) or words[-1] in {"mhz", "ghz"}):
        words.pop()
        if words and words[-1].isdigit() and words[-1] != "4" and "mhz" in head:
            words.pop()
    at = _model_at(words)
    clocks = frozenset(f"{float(found):g}" for found in _CLOCK.findall(tail or head))
    vendor = next((VENDORS[word] for word in words if word in VENDORS), None)
    common = (frozenset(words), clocks, several[1] if several else "")
    line = None if at is None else _line(words[:at])
    if at is None or line is None:
        return _phrase(key, name, slug, vendor, spoken[0], common)
    model = words[at]
    vendor = vendor or next((FAMILY_VENDORS[word] for word in words if word in FAMILY_VENDORS), None)
    if not line & FAMILY_VENDORS.keys() and (line or vendor not in {"intel", "amd"} or model.isdigit()):
        return _phrase(key, name, slug, vendor, spoken[0], common)
    extras = frozenset(word for i, word in enumerate(words) if i > at and not _is_neutral(words, i))
    optional = _optional(line, model)
    needs, may = line - optional, line | optional
    return NamedCpu(key, name, slug, vendor, line, model, needs, may, extras, *common, generation(line, model))


def join_model_parts(words: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    """The words of a name with the parts of a model number put together: "2680 v4", "w-2145", "1212 he"."""
    found: list[str] = []
    kept: list[str] = []
    for word, gap in zip(words, gaps, strict=False):  # the last gap is behind the last word
        before = found[-1] if found else ""
        version = VERSION.fullmatch(word) or word in OPTERON_SUFFIXES
        if version and _count_digits(before) >= 3:
            found[-1] += word
        elif gap == "-" and word[0].isdigit() and _HYPHENATED.fullmatch(before):
            if before in LINE_WORDS and before not in {"d", "m"} and not (before == "fx" and len(word) == 2):
                found.append(word)
                kept.append(gap)
            else:
                found[-1] += word
        elif gap == "-" and before in {"g", "gx", "rx", "r"} and _count_digits(word) >= 2:
            found[-1] += word
        else:
            found.append(word)
            kept.append(gap)
    return found, kept


def generation(line: frozenset[str], model: str) -> int | None:
    """Of an Intel Core i: the generation that its number tells; None of anything else."""
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


def _model_at(words: Sequence[str]) -> int | None:
    """Where the model number stands: the first word with three digits, or one of the few that have less."""
    for at, word in enumerate(words):
        if _SMALL_MODEL.fullmatch(word) or (_MODEL.fullmatch(word) and _count_digits(word) >= 3):
            return at
        if word not in LINE_WORDS and _SHORT_MODEL.fullmatch(word):
            return at
    return None


def _line(before: list[str]) -> frozenset[str] | None:
    """The words of the line in front of the model number; None when one of them is none of a line."""
    line: set[str] = set()
    for at, word in enumerate(before):
        if word in VENDORS or is_count_of_cores(before, at):
            continue
        if word in CORE_COUNT_WORDS:
            continue
        if word in LINE_WORDS:
            line.add(word)
        elif word not in FILLER_WORDS:
            return None
    return frozenset(line)


def _is_neutral(words: list[str], at: int) -> bool:
    word = words[at]
    return word in IGNORED_NAME_WORDS or bool(CLOCK.fullmatch(word)) or (word.isdigit() and len(word) <= 2)


_N_MODEL = re.compile(r"n[0-9]{3}")
_RYZEN_OPTIONAL = frozenset({"3", "5", "7", "9", "embedded"})
_OPTIONAL = (
    (CORE_I, frozenset({"core", "extreme", "edition"})),
    (frozenset({"ultra", "m3", "m5", "m7"}), frozenset({"core"})),
    (frozenset({"core2"}), frozenset({"duo", "quad", "solo"})),
    (XEON_E_SERIES | {"w3", "w5", "w7", "w9"}, frozenset({"xeon"})),
    (frozenset({"atom"}), frozenset({"x5", "x7"})),
    (frozenset({"threadripper"}), frozenset({"ryzen"})),
    (frozenset({"phenom"}), frozenset({"x2", "x3", "x4"})),
)


def _optional(line: frozenset[str], model: str) -> frozenset[str]:
    """Words of its line that a title may leave out or add, because the number alone tells the same."""
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
    return next((optional for telling, optional in _OPTIONAL if line & telling), frozenset())


def _phrase(
    key: int,
    name: str,
    slug: str,
    vendor: str | None,
    words: list[str],
    common: tuple[frozenset[str], frozenset[str], str],
) -> NamedCpu | None:
    """A CPU that only its whole name names. None when that is no more than a maker, a line and a clock."""
    own = [word for word in words if word not in LINE_WORDS and not CLOCK.fullmatch(word)]
    telling = [
        word for word, after in zip(own, [*own[1:], ""], strict=True) if _count_digits(word) >= 2 and after != "mhz"
    ]
    if not 2 <= len(words) <= 12 or not any(not word.isdigit() or len(word) >= 3 for word in telling):
        return None
    empty: frozenset[str] = frozenset()
    return NamedCpu(key, name, slug, vendor, empty, " ".join(words), empty, empty, empty, *common, phrase=tuple(words))


def alternative_models(cpu: NamedCpu) -> tuple[str, ...]:
    """Model numbers under which shops know the CPU: Core 2 Extreme with four cores are QX there."""
    return (f"qx{cpu.model[1:]}",) if {"core2", "extreme"} <= cpu.line and cpu.model in CORE_2_QX_MODELS else ()


def split_model(model: str) -> tuple[str, str]:
    """The number and the letters behind it: "8500t" is "8500" and "t", "2630lv3" is "2630" and "lv3"."""
    found = _NUMBER.fullmatch(model)
    return (found[1], found[2] or "") if found else (model, "")
