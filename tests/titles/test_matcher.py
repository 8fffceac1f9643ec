"""Title -> CPU over a small catalogue: what is found, what is not and why, and what no spelling may change."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.titles.cpu_names import split_model
from app.titles.matcher import MAX_TITLE_LENGTH, TitleDecision, TitleMatcher, TitleVerdict
from tests.titles.catalog_names import NAMES
from tests.titles.seller_titles import SELLERS

MATCHER = TitleMatcher((number, name, f"slug-{number}") for number, name in enumerate(NAMES))
MODELS = sorted((cpu for cpu in MATCHER.cpus.values() if not cpu.phrase and not cpu.several), key=lambda cpu: cpu.id)
NUMBERED = [cpu for cpu in MODELS if re.search(r"\d{3}", cpu.model)]
# Rows that a clock alone tells apart are found by a title with the clock only.
TWINS = {cpu.id for cpu in MODELS if sum((o.line, o.model) == (cpu.line, cpu.model) for o in MODELS) > 1}
SUFFIXES = ["", "k", "f", "kf", "ks", "t", "h", "hx", "u", "p", "x", "x3d", "xt", "g", "ge", "e", "s", "q", "zz"]
BEFORE = [
    "",
    "NEW ",
    "Used: ",
    "* ",
    "HP EliteDesk 800 G4, ",
    "Gaming PC - ",
    "Lenovo ThinkCentre | ",
    "2x ",
    "SALE!!! ",
]
AFTER = [
    "",
    " tested",
    ", 16GB RAM",
    " / 512GB SSD",
    " + Windows 11 Pro",
    " (boxed)",
    " GTX 1650",
    " $99",
    " DDR4-3200",
]


def name_of(title: str, matcher: TitleMatcher = MATCHER) -> str | None:
    """The name of the CPU that a title is matched with."""
    match = matcher.match(title)
    assert (match.decision is TitleDecision.MATCHED) == (match.cpu is not None)
    assert match.reason.endswith(".")
    return match.cpu.name if match.cpu else None


@pytest.mark.parametrize("title", SELLERS)
def test_sellers_titles(title: str) -> None:
    assert name_of(title) == SELLERS[title], MATCHER.match(title)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_its_own_title(name: str) -> None:
    known = name in {cpu.name for cpu in MATCHER.cpus.values()}
    assert name_of(name) == (name if known else None)


@pytest.mark.parametrize(
    ("title", "decision", "reason"),
    [
        ("i5-8500Q", "no_model", '"8500q": the catalogue has no such model, only 8500,'),
        ("i5 8500 K", "unclear", '"k" makes it another chip'),
        ("10th gen i5-8500", "unclear", "the title says generation 10, this is one of generation 8"),
        ("Ryzen 7 5600X", "unclear", 'the title says "7", which AMD Ryzen 5 5600X is not'),
        ("Ryzen 5 4650G", "unclear", "the catalogue has it as PRO, the title does not say PRO"),
        ("Ryzen 7 4700G Pro", "unclear", 'it is not clear whether "pro" belongs to it'),
        ("Intel 5600X", "unclear", "the title says Intel, the CPU is by AMD"),
        ("Intel Ryzen 5 5600X", "unclear", "the title says Intel, the CPU is by AMD"),
        ("12700K with AMD mainboard", "unclear", "the title says AMD, the CPU is by Intel"),
        ("12700K Ryzen case", "no_model", "the catalogue has no ryzen with this number"),
        ("12700K case, Ryzen look", "unclear", 'the title says "ryzen"'),
        ("Xeon 6130", "unclear", 'the title does not say "gold"'),
        ("Xeon E3-1230 v9", "unclear", "version v9 of it is not in the catalogue"),
        ("i7-12700K/KF", "unclear", 'with or without "kf" is not clear'),
        ("i5-9500 e 16GB", "unclear", '"e" behind it is a word or the suffix of another chip'),
        ("Celeron G5400", "no_model", "the catalogue has no celeron with this number"),
        ("Intel Atom C2750", "unclear", "the title does not tell these apart: Intel Atom C2750 @ 2.40GHz, Intel Atom"),
        (
            "i5-8500 / i5-8600",
            "several",
            "It names more than one CPU: Intel Core i5-8500 @ 3.00GHz, Intel Core i5-8600",
        ),
        ("i5-8500T or 5600X", "unclear", 'the title says "i5"'),
        ("5600X or i5-8500T", "unclear", 'the title says "i5"'),
        ("i5-8500T or 12700K", "several", "It names more than one CPU: Intel Core i5-8500T @ 2.10GHz, Intel Core i7-1"),
        ("i7-9700 sticker", "refused", 'It says "sticker".'),
        ("Core i5", "no_model", "No model number of the catalogue is in it."),
        ("N100", "unclear", "Intel does not stand before it"),
    ],
)
def test_reasons(title: str, decision: str, reason: str) -> None:
    match = MATCHER.match(title)
    assert match.cpu is None
    assert match.decision == decision
    assert reason in match.reason


@pytest.mark.parametrize(
    ("title", "text", "reason"),
    [
        ("i5-8500 GTX 1650", "1650", "graphics card"),
        ("Ryzen 5 5600 RX 5600 XT", "5600 xt", "graphics card"),
        ("i5-8500 $1650", "1650", "amount of money"),
        ("i5-8500 1600 MHz", "1600", "a number of mhz"),
        ("i5-8500 DDR4 1600", "1600", "it belongs to ddr4"),
        ("i5-8500 Precision 5600", "5600", "the model of a Precision computer"),
        ("i5-8500 not i5-8500T", "8500t", 'the title says "not"'),
        ("i5-8500 better than i7-9700", "9700", '"than"'),
        ("i5-8500, board up to i7-9700", "9700", '"board"'),
        ("i5-8500, i7-9700 compatible", "9700", '"compatible"'),
        ("i5-8500 board 5600", "5600", "a number alone"),
        ("i5-8500 board 5600$", "5600", "an amount of money"),
    ],
)
def test_what_does_not_count(title: str, text: str, reason: str) -> None:
    match = MATCHER.match(title)
    (step,) = [step for step in match.steps if step.text == text]
    assert step.verdict is TitleVerdict.IGNORED
    assert reason in step.reason
    assert match.cpu is not None


def test_clocks_tell_rows_apart() -> None:
    assert name_of("Intel Atom C2750 @ 2.41GHz NAS board") == "Intel Atom C2750 @ 2.41GHz"
    assert name_of("Intel Atom C2750 2,4 GHz NAS board") == "Intel Atom C2750 @ 2.40GHz"
    assert name_of("Intel Atom C2750 1.2.3 GHz") is None


def test_a_board_with_two_is_another_row() -> None:
    assert name_of("Dual CPU Intel Xeon E5-2680 v4 server") == "[Dual CPU] Intel Xeon E5-2680 v4 @ 2.40GHz"
    only = TitleMatcher([(1, "[Dual CPU] Intel Xeon Platinum 8480+", "x")])
    match = only.match("Intel Xeon Platinum 8480+")
    assert match.cpu is None
    assert "only as a board with several (dual CPU)" in match.reason


def test_of_whole_names_the_longest_counts() -> None:
    assert name_of("tablet Mediatek MT8788 4GB") == "Mediatek MT8788"
    assert name_of("iPhone Apple A18 Pro 256GB") == "Apple A18 Pro"
    assert name_of("Qualcomm Snapdragon 845") == "Snapdragon 845 @ 2.8 GHz"
    assert name_of("MT8788") is None


def test_only_so_much_of_a_title_is_read() -> None:
    assert name_of("x" * (MAX_TITLE_LENGTH - 8) + " i5-8500") == "Intel Core i5-8500 @ 3.00GHz"
    assert name_of("x" * MAX_TITLE_LENGTH + " i5-8500") is None


def test_nothing_is_matched_on_a_line_alone() -> None:
    words = ["intel", "core", "ryzen", "xeon", "i5", "i7", "pro", "amd", "celeron", "gold", "5", "7", "2", "gen", "8th"]
    chance = random.Random(5)
    for _ in range(2000):
        title = " ".join(chance.choices(words, k=chance.randint(1, 6)))
        assert name_of(title) is None, title


def respelled(name: str, chance: random.Random) -> str:
    """The name as somebody else might write it: other case and separators, and other words around it."""
    text = name.partition("@")[0].strip() if chance.random() < 0.7 else name
    text = re.sub(
        r"(?<=[A-Za-z])[ -](?=\S)|(?<=[0-9])[ -](?=[A-Za-z0-9]{3})",
        lambda _: chance.choice([" ", "-", "  ", "_"]),
        text,
    )
    text = text.replace("Intel ", chance.choice(["Intel ", "Intel(R) ", "INTEL® "]))
    text = chance.choice([text, text.lower(), text.upper()])
    return f"{chance.choice(BEFORE)}{text}{chance.choice(AFTER)}"


@given(st.sampled_from([cpu for cpu in MODELS if cpu.id not in TWINS]), st.randoms(use_true_random=False))
def test_spelling_changes_nothing(cpu, chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    title = respelled(cpu.name, chance)
    assert name_of(title) == cpu.name, (title, MATCHER.match(title))


@given(
    st.sampled_from(NUMBERED),
    st.sampled_from(SUFFIXES),
    st.sampled_from(["", "-", " "]),
    st.randoms(use_true_random=False),
)
def test_another_suffix_is_never_that_cpu(cpu, suffix: str, gap: str, chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    base, own = split_model(cpu.model)
    if suffix == own or own.startswith("v"):
        return
    gap = "" if suffix == "zz" else gap  # of its own it is a word
    spoken = " ".join(word for word in cpu.name.lower().partition("@")[0].split() if not re.search(r"\d{3}", word))
    line = " ".join(sorted(cpu.line & {"i3", "i5", "i7", "i9", "e3", "e5", "fx", "a10"}))
    title = f"{chance.choice(BEFORE)}{spoken} {line} {base}{gap if suffix else ''}{suffix}{chance.choice(AFTER)}"
    match = MATCHER.match(title)
    assert match.cpu is None or match.cpu.id != cpu.id, (title, match)


@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    name_of(text)


@given(
    st.lists(
        st.sampled_from([*"/-(),.+&|$", "i5", "8500", "T", "ryzen", "5", "5600", "x", "e5", "2680", "v4", "gtx", "2"])
    )
)
def test_any_order_of_words_has_an_answer(words: list[str]) -> None:
    name_of(" ".join(words))
    name_of("".join(words))
