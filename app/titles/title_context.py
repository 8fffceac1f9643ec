"""What stands around a model number in a title."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from app.titles.cpu_names import VERSION, NamedCpu
from app.titles.tokenizer import CLOCK, ORDINAL, is_count_of_cores, tokenize
from app.titles.vocabulary import (
    ALTERNATIVE_WORDS,
    AMBIGUOUS_SUFFIXES,
    CHIP_SUFFIXES,
    COMPARISON_WORDS,
    COMPUTER_MAKERS,
    COMPUTER_SERIES,
    FAMILY_VENDORS,
    FILLER_WORDS,
    GPU_LINKS,
    GPU_WORDS,
    LINE_WORDS,
    LINKING_WORDS,
    NEGATION_WORDS,
    NO_CPU_FIRST_WORDS,
    NO_CPU_PHRASES,
    NUMBER_LABELS,
    OPTERON_SUFFIXES,
    RYZEN_SHORT_TIERS,
    UNIT_WORDS,
    VENDORS,
    VERSION_WORDS,
)  # fmt: skip

_MONEY = frozenset("$€£¥")
_SEVERAL = re.compile(r"\b(dual|quad|[0-9]+-way)[ -]cpu\b")
_SOCKET = re.compile(r"(?:lga|s|fclga|socket)[0-9]{3,4}|am[2345]\+?|fm[12]\+?|s?tr[45x]x?[0-9]?")
_UNKNOWN = re.compile(r"[a-z]{0,2}[0-9]{3,5}[a-z]{0,3}[0-9]?\+?")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


@dataclass(slots=True)
class ModelMention:
    """A model number in a title: words `start` to `end`, and why its suffix is unclear, if it is."""

    key: str
    start: int
    end: int
    veto: str | None
    rows: tuple[NamedCpu, ...] = ()
    line: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NamedLine:
    """The product line and the maker that a title tells of a model number, and where the words of these begin."""

    line: frozenset[str]
    vendor: str | None
    start: int


@dataclass
class TitleContext:
    """The words of a title, read once. `previous`: the last model number that was kept."""

    title: str
    glued: Mapping[str, tuple[str, str]]
    words: list[str] = field(init=False)
    gaps: list[str] = field(init=False)
    previous: ModelMention | None = None

    def __post_init__(self) -> None:
        self.words, self.gaps = tokenize(self.title)
        for at in range(len(self.words) - 1, -1, -1):
            if parts := self.glued.get(self.words[at]):
                self.words[at : at + 1] = parts
                self.gaps[at : at + 1] = (self.gaps[at], "")

    @cached_property
    def all_words(self) -> frozenset[str]:
        """Every word of the title."""
        return frozenset(self.words)

    @cached_property
    def clocks(self) -> frozenset[str]:
        """GHz that the title tells."""
        found = set()
        for at, word in enumerate(self.words):
            number = word[:-3] if word.endswith("ghz") else word if self.word_at(at + 1) == "ghz" else ""
            if number.replace(",", "").replace(".", "").isdigit():
                found.add(f"{float(number.replace(',', '.').rstrip('.')):g}" if number.count(".") < 2 else number)
        return frozenset(found)

    @cached_property
    def generations(self) -> frozenset[int]:
        """Generations of Intel Core i that the title tells: "8th gen", "gen 8"."""
        found = set()
        for at, word in enumerate(self.words):
            if word not in {"gen", "generation"}:
                continue
            before, after = self.word_at(at - 1), self.word_at(at + 1)
            ordinal = ORDINAL.fullmatch(before)
            if ordinal:
                found.add(int(ordinal[1]))
            elif before.isdigit() and len(before) <= 2 and self.gaps[at] in {"", ".", "-"}:
                found.add(int(before))
            elif after.isdigit() and len(after) <= 2:
                found.add(int(after))
        return frozenset(found)

    @cached_property
    def several(self) -> str:
        """ "dual" where the title says "dual CPU", as the catalogue does of boards with two."""
        found = _SEVERAL.search(self.title.lower()) if "cpu" in self.all_words else None
        return found[1] if found else ""

    def word_at(self, at: int) -> str:
        """The word there, or "" outside."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    @cached_property
    def versions(self) -> frozenset[str]:
        """Versions of Xeons that stand alone: "v4"."""
        return frozenset(word for word in self.words if VERSION.fullmatch(word))

    def refusal(self) -> str:
        """The words that say that no CPU is sold; "" for none."""
        if self.all_words.isdisjoint(NO_CPU_FIRST_WORDS):
            return ""
        text = f" {' '.join(self.words)} "
        return next((phrase for phrase in NO_CPU_PHRASES if f" {phrase} " in text), "")

    def suffix(self, key: str, at: int, models: Container[str]) -> tuple[str | None, str | None]:
        """The model number with the suffix that is word `at`, or why the two are unclear together."""
        suffix, gap = self.words[at], self.gaps[at]
        joined = key + suffix
        if suffix in VERSION_WORDS:
            told = self.word_at(at + 1)[:1].isdigit()
            return None, f'"{suffix} {self.word_at(at + 1)}" is no way to tell a version' if told else None
        if VERSION.fullmatch(suffix):
            return (joined, None) if joined in models else (None, f"version {suffix} of it is not in the catalogue")
        if self.gaps[at + 1] == "." and self.word_at(at + 1).isalpha():  # "G.Skill"
            return None, None
        if (suffix == "x" and self._is_times(at)) or (suffix in OPTERON_SUFFIXES and "opteron" not in self.all_words):
            return None, None
        if gap in {"", "-", "_"}:
            if joined in models:
                if not gap and suffix in AMBIGUOUS_SUFFIXES:
                    return None, f'"{suffix}" behind it is a word or the suffix of another chip'
                return joined, None
            if suffix in CHIP_SUFFIXES and not self._is_graphics(at + 1):
                return None, f'"{suffix}" makes it another chip, which the catalogue does not have'
        elif gap in {"/", "(", "|", ","} and suffix in CHIP_SUFFIXES:
            return None, f'with or without "{suffix}" is not clear'
        return None, None

    def _is_times(self, at: int) -> bool:
        """Whether an "x" is that of "x 2"."""
        if self.gaps[at] or self.gaps[at + 1]:
            return False
        return self.word_at(at + 1).isdigit() and len(self.words[at + 1]) <= 2

    def place(self, mention: ModelMention, rows: Sequence[NamedCpu], models: Collection[str]) -> NamedLine:
        """The line and maker in front of a mention; of a list those of the one before; else those behind it."""
        place = self._before(mention.start)
        previous = self.previous.line if self.previous is not None else None
        if not place.line and previous and self._continues(mention) and any(c.needs <= previous for c in rows):
            place = NamedLine(previous, place.vendor, mention.start)
        elif not place.line and any(c.isalpha() for c in mention.key):
            place = self._behind(mention, place, models)
        line = place.line
        if "ryzen" not in line and (tiers := line & RYZEN_SHORT_TIERS.keys()):
            if sum(c.isdigit() for c in mention.key) >= 4:
                line = (line - tiers) | {"ryzen"} | {RYZEN_SHORT_TIERS[tier] for tier in tiers}
            place = NamedLine(line, place.vendor, place.start)
        mention.line = place.line
        return place

    def _before(self, at: int) -> NamedLine:
        found: list[str] = []
        vendor = None
        while at > 0:
            at -= 1
            word = self.words[at]
            if word in VENDORS:
                vendor = vendor or VENDORS[word]
            elif is_count_of_cores(self.words, at):
                at -= 1
            elif word in LINE_WORDS and not self._is_quantity(at):
                found.append(word)
            elif not self._is_filler(at):
                at += 1
                break
        found.reverse()
        first = next((i for i, word in enumerate(found) if word in FAMILY_VENDORS), len(found))
        line = found[first:] if first < len(found) else []
        if first and found[first - 1] == "pro" and line:  # "PRO A10-8770"
            line.append("pro")
        return NamedLine(frozenset(word for word in line if word not in {"dual", "quad"}), vendor, at)

    def _is_quantity(self, at: int) -> bool:
        return self.words[at].isdigit() and self.word_at(at + 1) in {"x", "pcs", "pieces", "stuck", "units"}

    def _is_filler(self, at: int) -> bool:
        word = self.words[at]
        if word in FILLER_WORDS or CLOCK.fullmatch(word) or ORDINAL.fullmatch(word) or _SOCKET.fullmatch(word):
            return True
        if word == "ghz" or (word.isdigit() and self.word_at(at - 1) in {"lga", "socket", "sockel", "gen"}):
            return True
        if word[0].isdigit() and self.word_at(at + 1) in {"ghz", "gen", "generation", "threads", "cores", "core"}:
            return True
        return word in {"lga", "fclga"}

    def _continues(self, mention: ModelMention) -> bool:
        """Whether nothing but "/", "or" and the like stands between the previous model number and this one."""
        assert self.previous is not None
        between = self.words[self.previous.end : mention.start]
        if not between:
            return any(c in "/,&+|" for c in self.gaps[mention.start])
        return len(between) <= 2 and all(word in ALTERNATIVE_WORDS or word in VENDORS for word in between)

    def _behind(self, mention: ModelMention, place: NamedLine, models: Collection[str]) -> NamedLine:
        """The line behind the number, as in "Q6600 Core 2 Quad", unless another number follows it."""
        at = mention.end
        line: set[str] = set()
        vendor = place.vendor
        while at < len(self.words) and (self.words[at] in LINE_WORDS or self.words[at] in VENDORS):
            word = self.words[at]
            if word in VENDORS:
                vendor = vendor or VENDORS[word]
            else:
                line.add(word)
            at += 1
        if not line & FAMILY_VENDORS.keys() or self.word_at(at) in models:
            return place
        return NamedLine(frozenset(line - {"dual", "quad"}), vendor, mention.start)

    def is_something_else(self, mention: ModelMention) -> str:
        """What the number is, when it is none of a CPU: of a graphics card, a notebook, a price, memory."""
        start = mention.start
        before, after = self.word_at(start - 1), self.word_at(mention.end)
        if _MONEY & set(self.gaps[start]):
            return "an amount of money"
        if mention.key.isdigit() and _MONEY & set(self.gaps[mention.end][:1]) and not after[:1].isdigit():
            return "an amount of money"
        if mention.key.isdigit() and after in UNIT_WORDS:
            return f"a number of {after}"
        if before in NUMBER_LABELS:
            return f"it belongs to {before}"
        if self._is_graphics(start):
            return "the model of a graphics card"
        if before in COMPUTER_SERIES or (before in COMPUTER_MAKERS and not mention.rows):
            return f"the model of a {before.title()} computer"
        return ""

    def _is_graphics(self, start: int) -> bool:
        at = start - 1
        while at >= 0 and self.words[at] in GPU_LINKS and self.words[at] not in GPU_WORDS:
            at -= 1
        return at >= 0 and self.words[at] in GPU_WORDS

    def denied(self, mention: ModelMention, place: NamedLine) -> str:
        """What the title says of the model number, when it is not what is sold."""
        at = min(place.start, mention.start) - 1
        linked = False
        while at >= 0 and self.words[at] in LINKING_WORDS:
            at -= 1
            linked = True
        word = self.word_at(at)
        if word in NEGATION_WORDS and not linked:
            return f'the title says "{word}"'
        if word in COMPARISON_WORDS or (linked and self.words[at + 1] in {"up", "bis"}):
            return f'the title compares or recommends: "{word or self.words[at + 1]}"'
        if self.word_at(mention.end) in {"compatible", "kompatibel", "ready", "equivalent"}:
            return f'the title says "{self.words[mention.end]}"'
        return ""

    def unknown_models(self, models: Container[str]) -> list[tuple[str, frozenset[str]]]:
        """Words that look like a model number and are none of the catalogue, with the product line before each."""
        found = []
        for at, word in enumerate(self.words):
            if word in models or not _UNKNOWN.fullmatch(word) or _YEAR.fullmatch(word):
                continue
            if self.word_at(at + 1) in UNIT_WORDS or word.endswith(("gb", "tb", "mb", "mhz", "ghz")):
                continue
            if line := self._before(at).line:
                found.append((word, line))
        return found[:5]
