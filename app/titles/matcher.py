"""Match a title with the CPU that it names.

A title names a CPU by a model number of the catalogue that nothing contradicts. Contradictions are a different product
line, vendor or generation before it, a separate suffix, words like "not" or "compatible with", and other devices with
the same number. Model numbers that differ in one letter are different CPUs. A title that names two CPUs, or that fits
several, has no match. A wrong match would distort a price target, so every doubt prevents a match; the result contains
the reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.titles.cpu_names import VERSION, CatalogCpu, alternative_models, parse_cpu_name, split_model
from app.titles.title_context import ModelMention, StatedLine, TitleContext
from app.titles.vocabulary import (
    CHIP_SUFFIXES,
    CORE_I,
    CPU_ONLY_SUFFIXES,
    FAMILY_VENDORS,
    LINE_WORDS,
    NAME_VARIANTS,
    RYZEN_SHORT_TIERS,
    VENDOR_NAMES,
    VENDORS,
    VERSION_WORDS,
    XEON_E_SERIES,
)  # fmt: skip

# Characters of a title that are read. Titles of marketplaces have 80 to 200.
MAX_TITLE_LENGTH = 1000
# Words of a line that sellers write together with the model number.
_JOINED_LINE_WORDS = CORE_I | XEON_E_SERIES | {"fx", "a4", "a6", "a8", "a9", "a10", "a12", "w3", "w5", "w7", "w9"}
_JOINED_LINES = ({"xeon"}, {"core2"}, {"epyc"}, {"athlon"})


class TitleDecision(StrEnum):
    """The result of a title."""

    MATCHED = "matched"
    NO_MODEL = "no_model"
    UNCLEAR = "unclear"
    SEVERAL = "several"
    REFUSED = "refused"


class TitleVerdict(StrEnum):
    """The result of one model number in a title."""

    KEPT = "kept"
    VETOED = "vetoed"
    UNKNOWN = "unknown"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class MatchStep:
    """A model number in the title, the name of the CPU that it may mean, and the reason of the verdict."""

    text: str
    verdict: TitleVerdict
    name: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class TitleMatchResult:
    """The matched CPU or None, the reason as a sentence, and the verdicts on all model numbers of the title."""

    decision: TitleDecision
    cpu: CatalogCpu | None
    reason: str
    steps: tuple[MatchStep, ...] = ()


class TitleMatcher:
    """Matcher for the names of one catalogue version. It is immutable, so threads can share it."""

    def __init__(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Index the rows (id, name, slug) of the catalogue."""
        self.cpus: dict[int, CatalogCpu] = {}
        self._by_name: dict[str, CatalogCpu] = {}
        self._by_model: dict[str, list[CatalogCpu]] = defaultdict(list)
        self._by_first_word: dict[str, list[CatalogCpu]] = defaultdict(list)  # CPUs that only match by their whole name
        for cpu_id, name, slug in rows:
            cpu = parse_cpu_name(cpu_id, name, slug)
            if cpu is None:
                continue
            self.cpus[cpu_id] = self._by_name[name.lower()] = cpu
            if cpu.phrase:
                self._by_first_word[cpu.phrase[0]].append(cpu)
                continue
            for model in (cpu.model, *alternative_models(cpu)):
                self._by_model[model].append(cpu)
        parts = [split_model(model) for model in self._by_model]
        self._models_by_number: dict[str, list[str]] = defaultdict(list)
        for model, (number, suffix) in zip(self._by_model, parts, strict=True):
            if len(number) >= 3:
                self._models_by_number[number].append(model)
                if len(suffix) > 2 and VERSION.fullmatch(suffix[-2:]):
                    self._models_by_number[model[:-2]].append(model)
        self._suffixes = frozenset(suffix for _, suffix in parts if suffix)
        prefixes = {model[: n + 1] for model in self._by_model for n in (0, 1) if model[: n + 1].isalpha()}
        self._prefixes = frozenset(prefixes - {"xp"})
        self._compounds = {
            word + model: (word, model)
            for model, cpus in self._by_model.items()
            for cpu in cpus
            for word in _joined_line_words(cpu)
        }

    def match(self, title: str) -> TitleMatchResult:
        """Find the CPU that a title names."""
        if (cpu := self._by_name.get(" ".join(title.lower().split()))) is not None:
            step = MatchStep(title.strip(), TitleVerdict.KEPT, cpu.name, "the complete name")
            return TitleMatchResult(TitleDecision.MATCHED, cpu, f"The title is the name {cpu.name}.", (step,))
        context = TitleContext(title[:MAX_TITLE_LENGTH], self._compounds)
        if phrase := context.no_cpu_phrase():
            return TitleMatchResult(TitleDecision.REFUSED, None, f'The title says "{phrase}".')
        steps: list[MatchStep] = []
        matched: list[CatalogCpu] = []
        is_blocked = False
        index = 0
        while index < len(context.words):
            mention = self._find_mention(context, index)
            if mention is None:
                index += 1
                continue
            cpu, step = self._evaluate(context, mention)
            steps.append(step)
            if cpu is not None:
                matched.append(cpu)
                context.last_match = mention
            is_blocked = is_blocked or (step.verdict is TitleVerdict.VETOED and mention.objection is not None)
            index = max(mention.end, index + 1)
        return self._decide(context, steps, matched, is_blocked)

    def _decide(
        self, context: TitleContext, steps: list[MatchStep], matched: list[CatalogCpu], is_blocked: bool
    ) -> TitleMatchResult:
        """Derive the result from the verdicts on all model numbers."""
        cpus = {cpu.id: cpu for cpu in matched}
        if len(cpus) > 1:
            names = ", ".join(sorted(cpu.name for cpu in cpus.values())[:4])
            return TitleMatchResult(
                TitleDecision.SEVERAL, None, f"The title names more than one CPU: {names}.", tuple(steps)
            )
        if cpus and not is_blocked:
            (cpu,) = cpus.values()
            reason = f"The title names {cpu.name} and no other CPU."
            return TitleMatchResult(TitleDecision.MATCHED, cpu, reason, tuple(steps))
        vetoed = [step for step in steps if step.verdict is TitleVerdict.VETOED]
        if vetoed:
            return TitleMatchResult(
                TitleDecision.UNCLEAR, None, f'"{vetoed[0].text}": {vetoed[0].reason}.', tuple(steps)
            )
        unknown = [step for step in steps if step.verdict is TitleVerdict.UNKNOWN]
        unknown += [self._unknown_step(word, line) for word, line in context.unknown_models(self._by_model)]
        steps += [step for step in unknown if step not in steps]
        if unknown:
            reason = f'"{unknown[0].text}": {unknown[0].reason}.'
        else:
            reason = "The title contains no model number of the catalogue."
        return TitleMatchResult(TitleDecision.NO_MODEL, None, reason, tuple(steps))

    def _unknown_step(self, word: str, line: frozenset[str]) -> MatchStep:
        """Return the step of a model number that is not in the catalogue, with similar ones that are."""
        number, _ = split_model(word)
        similar = sorted(
            model
            for model in self._models_by_number.get(number, ())
            if any(cpu.line & line & FAMILY_VENDORS.keys() for cpu in self._by_model[model])
        )[:6]
        suggestion = f", only {', '.join(similar)}" if similar else ""
        return MatchStep(word, TitleVerdict.UNKNOWN, None, f"the catalogue has no such model{suggestion}")

    def _find_mention(self, context: TitleContext, index: int) -> ModelMention | None:
        """Return the model number that starts at a word, joined with a separate suffix."""
        words = context.words
        word = words[index]
        if word in self._by_first_word and (phrase := self._find_phrase(words, index)):
            return phrase
        model, end = word, index + 1
        if word not in self._by_model and word not in self._models_by_number:
            if self._is_prefix(words, index):
                model, end = word + words[end], end + 1
            elif word[-1] == "+" and not word[:-1].isdigit():
                model = word[:-1]
            if model not in self._by_model and model not in self._models_by_number:
                return None
        objection = None
        while end < len(words) and objection is None and self._may_be_suffix(words[end]):
            joined, objection = context.join_suffix(model, end, self._by_model)
            if joined is None:
                break
            model, end = joined, end + 1
        if model not in self._by_model and objection is None:
            return None
        return ModelMention(model, index, end, objection)

    def _may_be_suffix(self, word: str) -> bool:
        return (
            word in self._suffixes
            or word in CHIP_SUFFIXES
            or word in VERSION_WORDS
            or word == "3d"
            or VERSION.fullmatch(word) is not None
        )

    def _is_prefix(self, words: Sequence[str], index: int) -> bool:
        """Whether the word is like the "W" of "W-2145", not the "M" of "Celeron M 520", where 520 is the model."""
        if words[index] not in self._prefixes or index + 1 == len(words) or not words[index + 1][0].isdigit():
            return False
        return words[index] not in LINE_WORDS or words[index + 1] not in self._by_model

    def _find_phrase(self, words: Sequence[str], index: int) -> ModelMention | None:
        """Return the longest complete name that starts at a word, of the CPUs that only match by their whole name."""
        candidates = [
            cpu
            for cpu in self._by_first_word[words[index]]
            if tuple(words[index : index + len(cpu.phrase)]) == cpu.phrase
        ]
        if not candidates:
            return None
        length = max(len(cpu.phrase) for cpu in candidates)
        cpus = tuple(cpu for cpu in candidates if len(cpu.phrase) == length)
        after = words[index + length : index + length + 1]
        objection = f'"{after[0]}" means another CPU' if after and after[0] in NAME_VARIANTS else None
        return ModelMention(cpus[0].model, index, index + length, objection, cpus)

    def _evaluate(self, context: TitleContext, mention: ModelMention) -> tuple[CatalogCpu | None, MatchStep]:
        """Return the CPU that a model number means, or None, with the reason."""
        cpus = mention.phrase_cpus or self._by_model.get(mention.model, ())
        name = cpus[0].name if cpus else None
        text = " ".join(context.words[mention.start : mention.end])
        if meaning := context.other_meaning(mention):
            return None, MatchStep(text, TitleVerdict.IGNORED, name, meaning)
        stated = context.find_line(mention, cpus, self._by_model)
        if mention.objection:
            return None, MatchStep(text, TitleVerdict.VETOED, name, mention.objection)
        if exclusion := context.exclusion(mention, stated):
            return None, MatchStep(text, TitleVerdict.IGNORED, name, exclusion)
        candidates: list[CatalogCpu] = []
        contradictions: list[tuple[str, CatalogCpu]] = []
        for cpu in cpus:
            reason = "" if mention.phrase_cpus else _find_contradiction(context, mention, stated, cpu, cpus)
            if reason:
                contradictions.append((reason, cpu))
            else:
                candidates.append(cpu)
        if candidates:
            return _choose(context, text, candidates)
        return None, _contradicted_step(text, mention, stated, contradictions)


_NO_LINE = "no product line is stated before the number"


def _contradicted_step(
    text: str, mention: ModelMention, stated: StatedLine, contradictions: list[tuple[str, CatalogCpu]]
) -> MatchStep:
    """Return the step of a number whose CPUs are all contradicted, with the reason of the most similar CPU."""
    reason, cpu = min(contradictions, key=lambda pair: (pair[0] is _NO_LINE, -len(pair[1].line & stated.words)))
    if stated.words and not stated.words & cpu.line & FAMILY_VENDORS.keys():
        line = " ".join(sorted(stated.words))
        return MatchStep(text, TitleVerdict.UNKNOWN, cpu.name, f"the catalogue has no {line} with this number")
    is_number_alone = mention.model.isdigit() and not stated.words
    return MatchStep(text, TitleVerdict.IGNORED if is_number_alone else TitleVerdict.VETOED, cpu.name, reason)


def _joined_line_words(cpu: CatalogCpu) -> Iterable[str]:
    """Return the words that sellers write together with the number: "i58500T", "FX8350", "R55600X"."""
    yield from cpu.line & _JOINED_LINE_WORDS
    if cpu.line in _JOINED_LINES:
        yield from cpu.line
    if "ryzen" in cpu.line and len(cpu.model) >= 4:
        yield from (word for word, tier in RYZEN_SHORT_TIERS.items() if tier in cpu.line)


def _find_contradiction(
    context: TitleContext, mention: ModelMention, stated: StatedLine, cpu: CatalogCpu, cpus: Sequence[CatalogCpu]
) -> str:
    """Return why the words around a model number do not mean this CPU, "" if they may mean it.

    `cpus` are all CPUs with this model number.
    """
    if stated.vendor and cpu.vendor and stated.vendor != cpu.vendor:
        return f"the title says {VENDOR_NAMES[stated.vendor]}, but the CPU is made by {VENDOR_NAMES[cpu.vendor]}"
    if stated.words:
        contradiction = _contradiction_of_line(context, mention, stated, cpu, cpus)
    else:
        contradiction = _contradiction_without_line(context, mention, stated, cpu, cpus)
    if contradiction:
        return contradiction
    if cpu.generation is not None and context.generations and cpu.generation not in context.generations:
        generations = " and ".join(str(generation) for generation in sorted(context.generations))
        return f"the title says generation {generations}, but the CPU is of generation {cpu.generation}"
    if cpu.line & XEON_E_SERIES and context.versions and not VERSION.fullmatch(cpu.model[-2:]):
        versions = " and ".join(sorted(context.versions))
        mention.objection = f"the title says {versions}, but this is the first version"
        return mention.objection
    if not cpu.trailing_words <= context.all_words:
        return f'the title does not say "{" ".join(sorted(cpu.trailing_words - context.all_words))}"'
    if cpu.multi_cpu and cpu.multi_cpu != context.multi_cpu:
        return f"the catalogue has it only as a {cpu.multi_cpu} CPU board"
    return ""


def _contradiction_of_line(
    context: TitleContext, mention: ModelMention, stated: StatedLine, cpu: CatalogCpu, cpus: Sequence[CatalogCpu]
) -> str:
    """Compare the stated product line with the line of the CPU."""
    line, required_words = stated.words, cpu.required_words
    is_pro_after = context.word_at(mention.end) == "pro" and "pro" not in line
    if is_pro_after and cpu.vendor == "amd" and not all("pro" in other.line for other in cpus):
        return 'it is unclear whether "pro" belongs to the model number'
    if "pro" in required_words and "pro" not in line:
        if is_pro_after:
            required_words = required_words - {"pro"}
        else:
            return 'the catalogue has it only as PRO, and the title does not say "pro"'
    if extra_words := line - cpu.allowed_words:
        return f'the title says "{" ".join(sorted(extra_words))}", which {cpu.name} is not'
    if missing_words := required_words - line:
        return f'the title does not say "{" ".join(sorted(missing_words))}"'
    return ""


def _contradiction_without_line(
    context: TitleContext, mention: ModelMention, stated: StatedLine, cpu: CatalogCpu, cpus: Sequence[CatalogCpu]
) -> str:
    """Accept a model number without its line only if it is unique and cannot mean anything else."""
    if not cpu.required_words:  # "Intel N100": the vendor takes the place of the line
        return "" if stated.vendor == cpu.vendor else f"the title does not say {_vendor_name(cpu)} before the number"
    number, suffix = split_model(mention.model)
    if suffix not in CPU_ONLY_SUFFIXES or not number.isdigit() or len(number) < 4:
        return _NO_LINE
    if len({other.line for other in cpus}) > 1 or cpu.line & {"pro"}:
        return "the number belongs to more than one product line"
    other_vendors = {word for word in context.all_words if word in VENDORS} - {cpu.vendor}
    if other_vendors and cpu.vendor not in context.all_words:
        vendors = ", ".join(VENDOR_NAMES[vendor] for vendor in sorted(other_vendors))
        return f"the title says {vendors}, but the CPU is made by {_vendor_name(cpu)}"
    other_families = {word for word in context.all_words if FAMILY_VENDORS.get(word) not in {None, cpu.vendor}}
    if other_families:
        mention.objection = f'the title says "{" ".join(sorted(other_families))}"'  # blocks a match of the whole title
    return mention.objection or ""


def _vendor_name(cpu: CatalogCpu) -> str:
    return VENDOR_NAMES.get(cpu.vendor or "", "another vendor")


def _choose(context: TitleContext, text: str, candidates: list[CatalogCpu]) -> tuple[CatalogCpu | None, MatchStep]:
    """Choose the CPU with the words of the title among those with one model number; None if several remain."""
    if len(candidates) > 1:
        candidates = [cpu for cpu in candidates if cpu.multi_cpu == context.multi_cpu] or candidates
    if len(candidates) > 1:
        title_words = context.all_words
        scores = [(len(cpu.words - title_words), -len(cpu.words & title_words), 0) for cpu in candidates]
        if min(scores)[0]:
            # No name is complete in the title. Ignore the words that a title may omit, and prefer the longer line.
            scores = [
                (len(cpu.words - title_words - cpu.allowed_words), -len(cpu.words & title_words), -len(cpu.line))
                for cpu in candidates
            ]
        best = min(scores)
        candidates = [cpu for cpu, score in zip(candidates, scores, strict=True) if score == best]
    if len(candidates) > 1:
        candidates = [cpu for cpu in candidates if cpu.clocks & context.clocks] or candidates
    cpu = candidates[0]
    if len(candidates) > 1:
        names = ", ".join(sorted(candidate.name for candidate in candidates)[:4])
        return None, MatchStep(text, TitleVerdict.VETOED, cpu.name, f"the title fits several CPUs: {names}")
    reason = "the complete name" if cpu.phrase else f"model {cpu.model}; nothing in the title contradicts it"
    return cpu, MatchStep(text, TitleVerdict.KEPT, cpu.name, reason)
