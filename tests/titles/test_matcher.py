"""Title matching with a small catalogue: matches, reasons, and invariants under different spellings."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.titles.cpu_names import CatalogCpu, split_model
from app.titles.matcher import MAX_TITLE_LENGTH, TitleDecision, TitleMatcher, TitleVerdict
from tests.titles.catalog_names import NAMES
from tests.titles.seller_titles import SELLERS

MATCHER = TitleMatcher((number, name, f"slug-{number}") for number, name in enumerate(NAMES))
MODELS = sorted((cpu for cpu in MATCHER.cpus.values() if not cpu.phrase and not cpu.multi_cpu), key=lambda cpu: cpu.id)
NUMBERED = [cpu for cpu in MODELS if re.search(r"\d{3}", cpu.model)]
# CPUs that differ only in the clock: only a title with the clock can match them.
TWINS = {cpu.id for cpu in MODELS if sum((other.line, other.model) == (cpu.line, cpu.model) for other in MODELS) > 1}
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


def matched_name(title: str, matcher: TitleMatcher = MATCHER) -> str | None:
    """Return the name of the matched CPU, None without a match."""
    match = matcher.match(title)
    assert (match.decision is TitleDecision.MATCHED) == (match.cpu is not None)
    assert match.reason.endswith(".")
    return match.cpu.name if match.cpu else None


@pytest.mark.parametrize("title", SELLERS)
def test_match_of_seller_title_returns_expected_cpu(title: str) -> None:
    assert matched_name(title) == SELLERS[title], MATCHER.match(title)


@pytest.mark.parametrize("name", NAMES)
def test_match_of_catalogue_name_returns_that_cpu(name: str) -> None:
    is_matchable = name in {cpu.name for cpu in MATCHER.cpus.values()}
    assert matched_name(name) == (name if is_matchable else None)


@pytest.mark.parametrize(
    ("title", "decision", "reason"),
    [
        ("i5-8500Q", "no_model", '"8500q": the catalogue has no such model, only 8500,'),
        ("i5 8500 K", "unclear", '"k" means another CPU'),
        ("10th gen i5-8500", "unclear", "the title says generation 10, but the CPU is of generation 8"),
        ("Ryzen 7 5600X", "unclear", 'the title says "7", which AMD Ryzen 5 5600X is not'),
        ("Ryzen 5 4650G", "unclear", 'the catalogue has it only as PRO, and the title does not say "pro"'),
        ("Ryzen 7 4700G Pro", "unclear", 'it is unclear whether "pro" belongs to the model number'),
        ("Intel 5600X", "unclear", "the title says Intel, but the CPU is made by AMD"),
        ("Intel Ryzen 5 5600X", "unclear", "the title says Intel, but the CPU is made by AMD"),
        ("12700K with AMD mainboard", "unclear", "the title says AMD, but the CPU is made by Intel"),
        ("12700K Ryzen case", "no_model", "the catalogue has no ryzen with this number"),
        ("12700K case, Ryzen look", "unclear", 'the title says "ryzen"'),
        ("Xeon 6130", "unclear", 'the title does not say "gold"'),
        ("Xeon E3-1230 v9", "unclear", "the catalogue does not have version v9 of it"),
        ("i7-12700K/KF", "unclear", 'it is unclear whether "kf" belongs to the model number'),
        ("i5-9500 e 16GB", "unclear", '"e" after it may be a word or the suffix of another CPU'),
        ("Celeron G5400", "no_model", "the catalogue has no celeron with this number"),
        ("Intel Atom C2750", "unclear", "the title fits several CPUs: Intel Atom C2750 @ 2.40GHz, Intel Atom"),
        (
            "i5-8500 / i5-8600",
            "several",
            "The title names more than one CPU: Intel Core i5-8500 @ 3.00GHz, Intel Core i5-8600",
        ),
        ("i5-8500T or 5600X", "unclear", 'the title says "i5"'),
        ("5600X or i5-8500T", "unclear", 'the title says "i5"'),
        (
            "i5-8500T or 12700K",
            "several",
            "The title names more than one CPU: Intel Core i5-8500T @ 2.10GHz, Intel Core i7-1",
        ),
        ("i7-9700 sticker", "refused", 'The title says "sticker".'),
        ("Core i5", "no_model", "The title contains no model number of the catalogue."),
        ("N100", "unclear", "the title does not say Intel before the number"),
    ],
)
def test_match_of_unclear_title_returns_reason(title: str, decision: str, reason: str) -> None:
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
        ("i5-8500 1600 MHz", "1600", "a quantity in mhz"),
        ("i5-8500 DDR4 1600", "1600", 'the number belongs to "ddr4"'),
        ("i5-8500 Precision 5600", "5600", "the model number of a Precision computer"),
        ("i5-8500 not i5-8500T", "8500t", 'the title says "not"'),
        ("i5-8500 better than i7-9700", "9700", '"than"'),
        ("i5-8500, board up to i7-9700", "9700", '"board"'),
        ("i5-8500, i7-9700 compatible", "9700", '"compatible"'),
        ("i5-8500 board 5600", "5600", "no product line is stated before the number"),
        ("i5-8500 board 5600$", "5600", "an amount of money"),
    ],
)
def test_match_of_title_with_unrelated_number_ignores_it(title: str, text: str, reason: str) -> None:
    match = MATCHER.match(title)
    (step,) = [step for step in match.steps if step.text == text]
    assert step.verdict is TitleVerdict.IGNORED
    assert reason in step.reason
    assert match.cpu is not None


def test_match_of_cpus_that_differ_in_clock_uses_the_clock() -> None:
    assert matched_name("Intel Atom C2750 @ 2.41GHz NAS board") == "Intel Atom C2750 @ 2.41GHz"
    assert matched_name("Intel Atom C2750 2,4 GHz NAS board") == "Intel Atom C2750 @ 2.40GHz"
    assert matched_name("Intel Atom C2750 1.2.3 GHz") is None


def test_match_of_dual_cpu_board_requires_the_words_dual_cpu() -> None:
    assert matched_name("Dual CPU Intel Xeon E5-2680 v4 server") == "[Dual CPU] Intel Xeon E5-2680 v4 @ 2.40GHz"
    board_matcher = TitleMatcher([(1, "[Dual CPU] Intel Xeon Platinum 8480+", "x")])
    match = board_matcher.match("Intel Xeon Platinum 8480+")
    assert match.cpu is None
    assert "only as a dual CPU board" in match.reason


def test_match_of_complete_names_prefers_the_longest() -> None:
    assert matched_name("tablet Mediatek MT8788 4GB") == "Mediatek MT8788"
    assert matched_name("iPhone Apple A18 Pro 256GB") == "Apple A18 Pro"
    assert matched_name("Qualcomm Snapdragon 845") == "Snapdragon 845 @ 2.8 GHz"
    assert matched_name("MT8788") is None


def test_match_of_long_title_reads_limited_length() -> None:
    assert matched_name("x" * (MAX_TITLE_LENGTH - 8) + " i5-8500") == "Intel Core i5-8500 @ 3.00GHz"
    assert matched_name("x" * MAX_TITLE_LENGTH + " i5-8500") is None


def test_match_of_product_line_without_number_returns_no_cpu() -> None:
    words = ["intel", "core", "ryzen", "xeon", "i5", "i7", "pro", "amd", "celeron", "gold", "5", "7", "2", "gen", "8th"]
    rng = random.Random(5)
    for _ in range(2000):
        title = " ".join(rng.choices(words, k=rng.randint(1, 6)))
        assert matched_name(title) is None, title


def respelled(name: str, rng: random.Random) -> str:
    """Return the name in another case, with other separators, and with other words around it."""
    text = name.partition("@")[0].strip() if rng.random() < 0.7 else name
    text = re.sub(
        r"(?<=[A-Za-z])[ -](?=\S)|(?<=[0-9])[ -](?=[A-Za-z0-9]{3})",
        lambda _: rng.choice([" ", "-", "  ", "_"]),
        text,
    )
    text = text.replace("Intel ", rng.choice(["Intel ", "Intel(R) ", "INTEL® "]))
    text = rng.choice([text, text.lower(), text.upper()])
    return f"{rng.choice(BEFORE)}{text}{rng.choice(AFTER)}"


@given(st.sampled_from([cpu for cpu in MODELS if cpu.id not in TWINS]), st.randoms(use_true_random=False))
def test_match_of_respelled_name_returns_that_cpu(cpu: CatalogCpu, rng: random.Random) -> None:
    title = respelled(cpu.name, rng)
    assert matched_name(title) == cpu.name, (title, MATCHER.match(title))


@given(
    st.sampled_from(NUMBERED),
    st.sampled_from(SUFFIXES),
    st.sampled_from(["", "-", " "]),
    st.randoms(use_true_random=False),
)
def test_match_of_number_with_another_suffix_never_returns_that_cpu(
    cpu: CatalogCpu, suffix: str, gap: str, rng: random.Random
) -> None:
    number, cpu_suffix = split_model(cpu.model)
    if suffix == cpu_suffix or cpu_suffix.startswith("v"):
        return
    gap = "" if suffix == "zz" else gap  # separated, "zz" is an ordinary word
    name_words = " ".join(word for word in cpu.name.lower().partition("@")[0].split() if not re.search(r"\d{3}", word))
    line = " ".join(sorted(cpu.line & {"i3", "i5", "i7", "i9", "e3", "e5", "fx", "a10"}))
    title = f"{rng.choice(BEFORE)}{name_words} {line} {number}{gap if suffix else ''}{suffix}{rng.choice(AFTER)}"
    match = MATCHER.match(title)
    assert match.cpu is None or match.cpu.id != cpu.id, (title, match)


@given(st.text(max_size=200))
def test_match_of_arbitrary_text_raises_no_error(text: str) -> None:
    matched_name(text)


@given(
    st.lists(
        st.sampled_from([*"/-(),.+&|$", "i5", "8500", "T", "ryzen", "5", "5600", "x", "e5", "2680", "v4", "gtx", "2"])
    )
)
def test_match_of_arbitrary_words_raises_no_error(words: list[str]) -> None:
    matched_name(" ".join(words))
    matched_name("".join(words))
