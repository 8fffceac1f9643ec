"""Find the words around a model number in a title that decide its meaning."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from app.titles.cpu_names import VERSION, CatalogCpu
from app.titles.tokenizer import CLOCK, ORDINAL, is_core_count, tokenize
from app.titles.vocabulary import (
    ALTERNATIVE_WORDS,
    AMBIGUOUS_SUFFIXES,
    CHIP_SUFFIXES,
    COMPARISON_WORDS,
    COMPUTER_MAKERS,
    COMPUTER_SERIES,
    FAMILY_VENDORS,
    FILLER_WORDS,
    GPU_LINK_WORDS,
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

_CURRENCY_SIGNS = frozenset("$€£¥")
_MULTI_CPU = re.compile(r"\b(dual|quad|[0-9]+-way)[ -]cpu\b")
_SOCKET = re.compile(r"(?:lga|s|fclga|socket)[0-9]{3,4}|am[2345]\+?|fm[12]\+?|s?tr[45x]x?[0-9]?")
_MODEL_LIKE = re.compile(r"[a-z]{0,2}[0-9]{3,5}[a-z]{0,3}[0-9]?\+?")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


@dataclass(slots=True)
class ModelMention:
    """A model number in a title: the words from `start` to `end` (exclusive).

    `objection` is the reason why its suffix or version is unclear, else None. `phrase_cpus` are the CPUs of a complete
    name; they are empty for a model number. `line` is the product line that `TitleContext.find_line` found.
    """

    model: str
    start: int
    end: int
    objection: str | None
    phrase_cpus: tuple[CatalogCpu, ...] = ()
    line: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StatedLine:
    """The words of the product line and the vendor that a title states for a model number, and where they start."""

    words: frozenset[str]
    vendor: str | None
    start: int


@dataclass
class TitleContext:
    """The tokenized title.

    `joined_words` maps a line and a model number in one word to both: "i58500t" to "i5" and "8500t". `last_match` is
    the last model number that was matched with a CPU.
    """

    title: str
    joined_words: Mapping[str, tuple[str, str]]
    words: list[str] = field(init=False)
    gaps: list[str] = field(init=False)
    last_match: ModelMention | None = None

    def __post_init__(self) -> None:
        self.words, self.gaps = tokenize(self.title)
        for index in range(len(self.words) - 1, -1, -1):
            if parts := self.joined_words.get(self.words[index]):
                self.words[index : index + 1] = parts
                self.gaps[index : index + 1] = (self.gaps[index], "")

    @cached_property
    def all_words(self) -> frozenset[str]:
        """All words of the title."""
        return frozenset(self.words)

    @cached_property
    def clocks(self) -> frozenset[str]:
        """The clock rates in the title, in GHz."""
        clocks = set()
        for index, word in enumerate(self.words):
            number = word[:-3] if word.endswith("ghz") else word if self.word_at(index + 1) == "ghz" else ""
            if number.replace(",", "").replace(".", "").isdigit():
                clocks.add(f"{float(number.replace(',', '.').rstrip('.')):g}" if number.count(".") < 2 else number)
        return frozenset(clocks)

    @cached_property
    def generations(self) -> frozenset[int]:
        """The generations of Intel Core i in the title: "8th gen", "gen 8"."""
        generations = set()
        for index, word in enumerate(self.words):
            if word not in {"gen", "generation"}:
                continue
            before, after = self.word_at(index - 1), self.word_at(index + 1)
            ordinal = ORDINAL.fullmatch(before)
            if ordinal:
                generations.add(int(ordinal[1]))
            elif before.isdigit() and len(before) <= 2 and self.gaps[index] in {"", ".", "-"}:
                generations.add(int(before))
            elif after.isdigit() and len(after) <= 2:
                generations.add(int(after))
        return frozenset(generations)

    @cached_property
    def multi_cpu(self) -> str:
        """The word "dual" for a title with "dual CPU", which catalogues use for boards with two CPUs, else ""."""
        match = _MULTI_CPU.search(self.title.lower()) if "cpu" in self.all_words else None
        return match[1] if match else ""

    @cached_property
    def versions(self) -> frozenset[str]:
        """The versions of Xeons that are separate words: "v4"."""
        return frozenset(word for word in self.words if VERSION.fullmatch(word))

    def word_at(self, index: int) -> str:
        """Return the word at an index, "" outside the title."""
        return self.words[index] if 0 <= index < len(self.words) else ""

    def no_cpu_phrase(self) -> str:
        """Return the phrase that says that no CPU is for sale, "" if there is none."""
        if self.all_words.isdisjoint(NO_CPU_FIRST_WORDS):
            return ""
        text = f" {' '.join(self.words)} "
        return next((phrase for phrase in NO_CPU_PHRASES if f" {phrase} " in text), "")

    def join_suffix(self, model: str, index: int, models: Container[str]) -> tuple[str | None, str | None]:
        """Join a model number with the suffix at an index. Returns the joined number, or why the suffix is unclear.

        Both are None if the word is not a suffix.
        """
        suffix, gap = self.words[index], self.gaps[index]
        joined = model + suffix
        if suffix in VERSION_WORDS:
            after = self.word_at(index + 1)
            return None, f'"{suffix} {after}" does not identify a version' if after[:1].isdigit() else None
        if VERSION.fullmatch(suffix):
            return (joined, None) if joined in models else (None, f"the catalogue does not have version {suffix} of it")
        if self.gaps[index + 1] == "." and self.word_at(index + 1).isalpha():  # "G.Skill"
            return None, None
        if (suffix == "x" and self._is_times(index)) or (
            suffix in OPTERON_SUFFIXES and "opteron" not in self.all_words
        ):
            return None, None
        if gap in {"", "-", "_"}:
            if joined in models:
                if not gap and suffix in AMBIGUOUS_SUFFIXES:
                    return None, f'"{suffix}" after it may be a word or the suffix of another CPU'
                return joined, None
            if suffix in CHIP_SUFFIXES and not self._follows_gpu_word(index + 1):
                return None, f'"{suffix}" means another CPU, which the catalogue does not have'
        elif gap in {"/", "(", "|", ","} and suffix in CHIP_SUFFIXES:
            return None, f'it is unclear whether "{suffix}" belongs to the model number'
        return None, None

    def _is_times(self, index: int) -> bool:
        """Whether an "x" is that of "x 2"."""
        if self.gaps[index] or self.gaps[index + 1]:
            return False
        return self.word_at(index + 1).isdigit() and len(self.words[index + 1]) <= 2

    def find_line(self, mention: ModelMention, cpus: Sequence[CatalogCpu], models: Collection[str]) -> StatedLine:
        """Return the line and vendor before a model number; in a list, those of the previous one; else those after it.

        Also stores the line in the mention.
        """
        stated = self._line_before(mention.start)
        previous = self.last_match.line if self.last_match is not None else None
        has_letters = any(character.isalpha() for character in mention.model)
        if not stated.words and previous and self._continues_list(mention) and _any_fits(cpus, previous):
            stated = StatedLine(previous, stated.vendor, mention.start)
        elif not stated.words and has_letters:
            stated = self._line_after(mention, stated, models)
        line = stated.words
        if "ryzen" not in line and (tiers := line & RYZEN_SHORT_TIERS.keys()):
            if sum(character.isdigit() for character in mention.model) >= 4:
                line = (line - tiers) | {"ryzen"} | {RYZEN_SHORT_TIERS[tier] for tier in tiers}
            stated = StatedLine(line, stated.vendor, stated.start)
        mention.line = stated.words
        return stated

    def _line_before(self, index: int) -> StatedLine:
        """Read backwards from a model number until a word that cannot belong to a product line."""
        line_words: list[str] = []
        vendor = None
        while index > 0:
            index -= 1
            word = self.words[index]
            if word in VENDORS:
                vendor = vendor or word
            elif is_core_count(self.words, index):
                index -= 1
            elif word in LINE_WORDS and not self._is_quantity(index):
                line_words.append(word)
            elif not self._is_filler(index):
                index += 1
                break
        line_words.reverse()
        first = next((i for i, word in enumerate(line_words) if word in FAMILY_VENDORS), len(line_words))
        line = line_words[first:] if first < len(line_words) else []
        if first and line_words[first - 1] == "pro" and line:  # "PRO A10-8770"
            line.append("pro")
        return StatedLine(frozenset(word for word in line if word not in {"dual", "quad"}), vendor, index)

    def _is_quantity(self, index: int) -> bool:
        return self.words[index].isdigit() and self.word_at(index + 1) in {"x", "pcs", "pieces", "stuck", "units"}

    def _is_filler(self, index: int) -> bool:
        """Whether the word may stand between a line and its model number."""
        word = self.words[index]
        if word in FILLER_WORDS or CLOCK.fullmatch(word) or ORDINAL.fullmatch(word) or _SOCKET.fullmatch(word):
            return True
        if word == "ghz" or (word.isdigit() and self.word_at(index - 1) in {"lga", "socket", "sockel", "gen"}):
            return True
        if word[0].isdigit() and self.word_at(index + 1) in {"ghz", "gen", "generation", "threads", "cores", "core"}:
            return True
        return word in {"lga", "fclga"}

    def _continues_list(self, mention: ModelMention) -> bool:
        """Whether only "/", "or" and the like stand between the previous model number and this one."""
        assert self.last_match is not None
        between = self.words[self.last_match.end : mention.start]
        if not between:
            return any(character in "/,&+|" for character in self.gaps[mention.start])
        return len(between) <= 2 and all(word in ALTERNATIVE_WORDS or word in VENDORS for word in between)

    def _line_after(self, mention: ModelMention, stated: StatedLine, models: Collection[str]) -> StatedLine:
        """Return the line after the number, as in "Q6600 Core 2 Quad", or `stated` if another number follows."""
        index = mention.end
        line: set[str] = set()
        vendor = stated.vendor
        while index < len(self.words) and (self.words[index] in LINE_WORDS or self.words[index] in VENDORS):
            word = self.words[index]
            if word in VENDORS:
                vendor = vendor or word
            else:
                line.add(word)
            index += 1
        if not line & FAMILY_VENDORS.keys() or self.word_at(index) in models:
            return stated
        return StatedLine(frozenset(line - {"dual", "quad"}), vendor, mention.start)

    def other_meaning(self, mention: ModelMention) -> str:
        """Return what the number means if it is not a CPU model (a price, a size, another device), else ""."""
        start = mention.start
        before, after = self.word_at(start - 1), self.word_at(mention.end)
        if _CURRENCY_SIGNS & set(self.gaps[start]):
            return "an amount of money"
        if mention.model.isdigit() and _CURRENCY_SIGNS & set(self.gaps[mention.end][:1]) and not after[:1].isdigit():
            return "an amount of money"
        if mention.model.isdigit() and after in UNIT_WORDS:
            return f"a quantity in {after}"
        if before in NUMBER_LABELS:
            return f'the number belongs to "{before}"'
        if self._follows_gpu_word(start):
            return "the model number of a graphics card"
        if before in COMPUTER_SERIES or (before in COMPUTER_MAKERS and not mention.phrase_cpus):
            return f"the model number of a {before.title()} computer"
        return ""

    def _follows_gpu_word(self, index: int) -> bool:
        index -= 1
        while index >= 0 and self.words[index] in GPU_LINK_WORDS and self.words[index] not in GPU_WORDS:
            index -= 1
        return index >= 0 and self.words[index] in GPU_WORDS

    def exclusion(self, mention: ModelMention, stated: StatedLine) -> str:
        """Return why the title does not offer this model number (negation, comparison, compatibility), else ""."""
        index = min(stated.start, mention.start) - 1
        has_linking_words = False
        while index >= 0 and self.words[index] in LINKING_WORDS:
            index -= 1
            has_linking_words = True
        word = self.word_at(index)
        if word in NEGATION_WORDS and not has_linking_words:
            return f'the title says "{word}"'
        if word in COMPARISON_WORDS or (has_linking_words and self.words[index + 1] in {"up", "bis"}):
            return f'the title states a comparison or compatibility: "{word or self.words[index + 1]}"'
        if self.word_at(mention.end) in {"compatible", "kompatibel", "ready", "equivalent"}:
            return f'the title says "{self.words[mention.end]}"'
        return ""

    def unknown_models(self, models: Container[str]) -> list[tuple[str, frozenset[str]]]:
        """Return words that look like model numbers but are not in the catalogue, with the line before each."""
        unknown = []
        for index, word in enumerate(self.words):
            if word in models or not _MODEL_LIKE.fullmatch(word) or _YEAR.fullmatch(word):
                continue
            if self.word_at(index + 1) in UNIT_WORDS or word.endswith(("gb", "tb", "mb", "mhz", "ghz")):
                continue
            if line := self._line_before(index).words:
                unknown.append((word, line))
        return unknown[:5]


def _any_fits(cpus: Sequence[CatalogCpu], line: frozenset[str]) -> bool:
    return any(cpu.required_words <= line for cpu in cpus)
