"""Title -> CPU: by an explicit model number of the catalogue, or not at all.

A model number counts when nothing contradicts it: the line, maker and generation in front of it, a suffix set apart,
"not" or "compatible with" before it, a graphics card or a notebook that has the same number. One that is called a
different chip by a single letter is a different chip. Two CPUs in a title, or rows that the title does not tell apart:
no CPU. A wrong one would poison its price target, so whatever is not certain is left undecided, with the reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.titles.cpu_names import VERSION, NamedCpu, alternative_models, parse_cpu_name, split_model
from app.titles.title_context import ModelMention, NamedLine, TitleContext
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

# What of a title is read; those of marketplaces have 80 to 200 characters.
MAX_TITLE_LENGTH = 1000
_GLUED = CORE_I | XEON_E_SERIES | {"fx", "a4", "a6", "a8", "a9", "a10", "a12", "w3", "w5", "w7", "w9"}
_GLUED_ALONE = ({"xeon"}, {"core2"}, {"epyc"}, {"athlon"})


class TitleDecision(StrEnum):
    """What came of a title."""

    MATCHED = "matched"
    NO_MODEL = "no_model"
    UNCLEAR = "unclear"
    SEVERAL = "several"
    REFUSED = "refused"


class TitleVerdict(StrEnum):
    """What came of one model number in it."""

    KEPT = "kept"
    VETOED = "vetoed"
    UNKNOWN = "unknown"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class MatchStep:
    """A model number as it stands in the title, the name it may mean in the catalogue, and why (not)."""

    text: str
    verdict: TitleVerdict
    name: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class TitleMatchResult:
    """The CPU (key, name, slug) or none, a sentence that says why, and the steps to it."""

    decision: TitleDecision
    cpu: NamedCpu | None
    reason: str
    steps: tuple[MatchStep, ...] = ()


class TitleMatcher:
    """Matches titles against the names of one state of the catalogue. Immutable once made, so any thread may use it."""

    def __init__(self, rows: Iterable[tuple[int, str, str]]) -> None:
        self.cpus: dict[int, NamedCpu] = {}
        self._names: dict[str, NamedCpu] = {}
        self._models: dict[str, list[NamedCpu]] = defaultdict(list)
        self._phrases: dict[str, list[NamedCpu]] = defaultdict(list)
        for key, name, slug in rows:
            cpu = parse_cpu_name(key, name, slug)
            if cpu is None:
                continue
            self.cpus[key] = self._names[name.lower()] = cpu
            if cpu.phrase:
                self._phrases[cpu.phrase[0]].append(cpu)
                continue
            for model in (cpu.model, *alternative_models(cpu)):
                self._models[model].append(cpu)
        parts = [split_model(model) for model in self._models]
        self._bases: dict[str, list[str]] = defaultdict(list)
        for model, (base, suffix) in zip(self._models, parts, strict=True):
            if len(base) >= 3:
                self._bases[base].append(model)
                if len(suffix) > 2 and VERSION.fullmatch(suffix[-2:]):
                    self._bases[model[:-2]].append(model)
        self._suffixes = frozenset(suffix for _, suffix in parts if suffix)
        prefixes = {model[: n + 1] for model in self._models for n in (0, 1) if model[: n + 1].isalpha()}
        self._prefixes = frozenset(prefixes - {"xp"})
        self._glued = {
            word + model: (word, model) for model, cpus in self._models.items() for cpu in cpus for word in _glue(cpu)
        }

    def match(self, title: str) -> TitleMatchResult:
        """The CPU that a title names."""
        if (named := self._names.get(" ".join(title.lower().split()))) is not None:
            return TitleMatchResult(
                TitleDecision.MATCHED, named, f"It is the name {named.name}.", (_whole(title, named),)
            )
        context = TitleContext(title[:MAX_TITLE_LENGTH], self._glued)
        if refusal := context.refusal():
            return TitleMatchResult(TitleDecision.REFUSED, None, f'It says "{refusal}".')
        steps: list[MatchStep] = []
        kept: list[NamedCpu] = []
        blocked = False
        at = 0
        while at < len(context.words):
            mention = self._mention(context, at)
            if mention is None:
                at += 1
                continue
            cpu, step = self._judge(context, mention)
            steps.append(step)
            if cpu is not None:
                kept.append(cpu)
                context.previous = mention
            blocked = blocked or (step.verdict is TitleVerdict.VETOED and mention.veto is not None)
            at = max(mention.end, at + 1)
        return self._decide(context, steps, kept, blocked)

    def _decide(
        self, context: TitleContext, steps: list[MatchStep], kept: list[NamedCpu], blocked: bool
    ) -> TitleMatchResult:
        found = {cpu.id: cpu for cpu in kept}
        if len(found) > 1:
            names = ", ".join(sorted(cpu.name for cpu in found.values())[:4])
            return TitleMatchResult(TitleDecision.SEVERAL, None, f"It names more than one CPU: {names}.", tuple(steps))
        if found and not blocked:
            (cpu,) = found.values()
            return TitleMatchResult(TitleDecision.MATCHED, cpu, f"It names {cpu.name} and no other CPU.", tuple(steps))
        vetoed = [step for step in steps if step.verdict is TitleVerdict.VETOED]
        if vetoed:
            return TitleMatchResult(
                TitleDecision.UNCLEAR, None, f'"{vetoed[0].text}": {vetoed[0].reason}.', tuple(steps)
            )
        unknown = [step for step in steps if step.verdict is TitleVerdict.UNKNOWN]
        unknown += [self._unknown(*each) for each in context.unknown_models(self._models)]
        steps += [step for step in unknown if step not in steps]
        if unknown:
            reason = f'"{unknown[0].text}": {unknown[0].reason}.'
        else:
            reason = "No model number of the catalogue is in it."
        return TitleMatchResult(TitleDecision.NO_MODEL, None, reason, tuple(steps))

    def _unknown(self, word: str, line: frozenset[str]) -> MatchStep:
        base, _ = split_model(word)
        near = sorted(
            model
            for model in self._bases.get(base, ())
            if any(cpu.line & line & FAMILY_VENDORS.keys() for cpu in self._models[model])
        )[:6]
        known = f", only {', '.join(near)}" if near else ""
        return MatchStep(word, TitleVerdict.UNKNOWN, None, f"the catalogue has no such model{known}")

    def _mention(self, context: TitleContext, at: int) -> ModelMention | None:
        """The model number that begins at this word, with a suffix that was set apart from it."""
        words = context.words
        word = words[at]
        if word in self._phrases and (phrase := self._phrase(words, at)):
            return phrase
        key, end = word, at + 1
        if word not in self._models and word not in self._bases:
            if self._begins_a_model(words, at):
                key, end = word + words[end], end + 1
            elif word[-1] == "+" and not word[:-1].isdigit():
                key = word[:-1]
            if key not in self._models and key not in self._bases:
                return None
        veto = None
        while end < len(words) and veto is None and self._may_be_suffix(words[end]):
            joined, veto = context.suffix(key, end, self._models)
            if joined is None:
                break
            key, end = joined, end + 1
        if key not in self._models and veto is None:
            return None
        return ModelMention(key, at, end, veto)

    def _may_be_suffix(self, word: str) -> bool:
        return (
            word in self._suffixes
            or word in CHIP_SUFFIXES
            or word in VERSION_WORDS
            or word == "3d"
            or VERSION.fullmatch(word) is not None
        )

    def _begins_a_model(self, words: Sequence[str], at: int) -> bool:
        """Whether the word is the "W" of "W-2145"; not the "M" of "Celeron M 520", where the number alone is one."""
        if words[at] not in self._prefixes or at + 1 == len(words) or not words[at + 1][0].isdigit():
            return False
        return words[at] not in LINE_WORDS or words[at + 1] not in self._models

    def _phrase(self, words: Sequence[str], at: int) -> ModelMention | None:
        """The longest name of those without a line that stands here word for word."""
        fitting = [cpu for cpu in self._phrases[words[at]] if tuple(words[at : at + len(cpu.phrase)]) == cpu.phrase]
        if not fitting:
            return None
        longest = max(len(cpu.phrase) for cpu in fitting)
        rows = tuple(cpu for cpu in fitting if len(cpu.phrase) == longest)
        after = words[at + longest : at + longest + 1]
        veto = f'"{after[0]}" makes it another chip' if after and after[0] in NAME_VARIANTS else None
        return ModelMention(rows[0].model, at, at + longest, veto, rows)

    def _judge(self, context: TitleContext, mention: ModelMention) -> tuple[NamedCpu | None, MatchStep]:
        """The CPU that a mention means, or why none."""
        rows = mention.rows or self._models.get(mention.key, ())
        name = rows[0].name if rows else None
        text = " ".join(context.words[mention.start : mention.end])
        if ignored := context.is_something_else(mention):
            return None, MatchStep(text, TitleVerdict.IGNORED, name, ignored)
        place = context.place(mention, rows, self._models)
        if mention.veto:
            return None, MatchStep(text, TitleVerdict.VETOED, name, mention.veto)
        if denied := context.denied(mention, place):
            return None, MatchStep(text, TitleVerdict.IGNORED, name, denied)
        fits: list[NamedCpu] = []
        reasons: list[tuple[str, NamedCpu]] = []
        for cpu in rows:
            reason = "" if mention.rows else _contradiction(context, mention, place, cpu, rows)
            if reason:
                reasons.append((reason, cpu))
            else:
                fits.append(cpu)
        return _choose(context, text, fits) if fits else (None, _refused(text, mention, place, reasons))


_NO_LINE = "a number alone may be anything; no product line stands before it"


def _refused(text: str, mention: ModelMention, place: NamedLine, reasons: list[tuple[str, NamedCpu]]) -> MatchStep:
    """The step of a number that means none of its CPUs: the reason of the one that comes nearest."""
    reason, cpu = min(reasons, key=lambda each: (each[0] is _NO_LINE, -len(each[1].line & place.line)))
    if place.line and not place.line & cpu.line & FAMILY_VENDORS.keys():
        line = " ".join(sorted(place.line))
        return MatchStep(text, TitleVerdict.UNKNOWN, cpu.name, f"the catalogue has no {line} with this number")
    alone = mention.key.isdigit() and not place.line
    return MatchStep(text, TitleVerdict.IGNORED if alone else TitleVerdict.VETOED, cpu.name, reason)


def _whole(title: str, cpu: NamedCpu) -> MatchStep:
    return MatchStep(title.strip(), TitleVerdict.KEPT, cpu.name, "the whole name")


def _glue(cpu: NamedCpu) -> Iterable[str]:
    """Words of the line that sellers write in one with the number: "i58500T", "FX8350", "R55600X"."""
    yield from cpu.line & _GLUED
    if cpu.line in _GLUED_ALONE:
        yield from cpu.line
    if "ryzen" in cpu.line and len(cpu.model) >= 4:
        yield from (word for word, tier in RYZEN_SHORT_TIERS.items() if tier in cpu.line)


def _contradiction(
    context: TitleContext, mention: ModelMention, place: NamedLine, cpu: NamedCpu, rows: Sequence[NamedCpu]
) -> str:
    """Why the words around a model number do not mean this CPU; empty when they do."""
    if place.vendor and cpu.vendor and place.vendor != cpu.vendor:
        return f"the title says {VENDOR_NAMES[place.vendor]}, the CPU is by {VENDOR_NAMES[cpu.vendor]}"
    if place.line:
        wrong = _wrong_line(context, mention, place, cpu, rows)
        if wrong:
            return wrong
    elif bare := _wrong_alone(context, mention, place, cpu, rows):
        return bare
    if cpu.generation is not None and context.generations and cpu.generation not in context.generations:
        told = " and ".join(str(each) for each in sorted(context.generations))
        return f"the title says generation {told}, this is one of generation {cpu.generation}"
    if cpu.line & XEON_E_SERIES and context.versions and not VERSION.fullmatch(cpu.model[-2:]):
        mention.veto = f"the title says {' and '.join(sorted(context.versions))}, this is the first version"
        return mention.veto
    if not cpu.extras <= context.all_words:
        return f'the title does not say "{" ".join(sorted(cpu.extras - context.all_words))}"'
    if cpu.several and cpu.several != context.several:
        return f"the catalogue has it only as a board with several ({cpu.several} CPU)"
    return ""


def _wrong_line(
    context: TitleContext, mention: ModelMention, place: NamedLine, cpu: NamedCpu, rows: Sequence[NamedCpu]
) -> str:
    line, needs = place.line, cpu.needs
    pro_behind = context.word_at(mention.end) == "pro" and "pro" not in line
    if pro_behind and cpu.vendor == "amd" and not all("pro" in each.line for each in rows):
        return 'it is not clear whether "pro" belongs to it'
    if "pro" in needs and "pro" not in line:
        if pro_behind:
            needs = needs - {"pro"}
        else:
            return "the catalogue has it as PRO, the title does not say PRO"
    if more := line - cpu.may:
        return f'the title says "{" ".join(sorted(more))}", which {cpu.name} is not'
    if missing := needs - line:
        return f'the title does not say "{" ".join(sorted(missing))}"'
    return ""


def _wrong_alone(
    context: TitleContext, mention: ModelMention, place: NamedLine, cpu: NamedCpu, rows: Sequence[NamedCpu]
) -> str:
    """A model without its line: only where the number is unique and can be nothing else."""
    if not cpu.needs:  # "Intel N100": the maker is the line
        return "" if place.vendor == cpu.vendor else f"{_maker(cpu)} does not stand before it"
    base, suffix = split_model(mention.key)
    if suffix not in CPU_ONLY_SUFFIXES or not base.isdigit() or len(base) < 4:
        return _NO_LINE
    if len({each.line for each in rows}) > 1 or cpu.line & {"pro"}:
        return "the number alone fits more than one product line"
    others = {VENDORS[word] for word in context.all_words if word in VENDORS} - {cpu.vendor}
    if others and cpu.vendor not in context.all_words:
        told = ", ".join(VENDOR_NAMES[other] for other in sorted(others))
        return f"the title says {told}, the CPU is by {_maker(cpu)}"
    families = {word for word in context.all_words if FAMILY_VENDORS.get(word) not in {None, cpu.vendor}}
    if families:
        mention.veto = f'the title says "{" ".join(sorted(families))}"'  # whatever else is named: this is one more
    return mention.veto or ""


def _maker(cpu: NamedCpu) -> str:
    return VENDOR_NAMES.get(cpu.vendor or "", "another maker")


def _choose(context: TitleContext, text: str, fits: list[NamedCpu]) -> tuple[NamedCpu | None, MatchStep]:
    """Of rows with the same model number the one whose words the title has; none when they are not told apart."""
    if len(fits) > 1:
        fits = [cpu for cpu in fits if cpu.several == context.several] or fits
    if len(fits) > 1:
        said = context.all_words
        scores = [(len(cpu.words - said), -len(cpu.words & said), 0) for cpu in fits]
        if min(scores)[
            0
        ]:  # no name is there as a whole: what a title may leave out does not count, the fuller name does
            scores = [(len(cpu.words - said - cpu.may), -len(cpu.words & said), -len(cpu.line)) for cpu in fits]
        best = min(scores)
        fits = [cpu for cpu, score in zip(fits, scores, strict=True) if score == best]
    if len(fits) > 1:
        fits = [cpu for cpu in fits if cpu.clocks & context.clocks] or fits
    if len(fits) > 1:
        names = ", ".join(sorted(cpu.name for cpu in fits)[:4])
        return None, MatchStep(text, TitleVerdict.VETOED, fits[0].name, f"the title does not tell these apart: {names}")
    return fits[0], MatchStep(text, TitleVerdict.KEPT, fits[0].name, _why(fits[0]))


def _why(cpu: NamedCpu) -> str:
    return "the whole name" if cpu.phrase else f"model {cpu.model}, and nothing around it contradicts"
