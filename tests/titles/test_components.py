"""Components in titles: memory, storage, graphics, operating system and quantity."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market import title_flags
from app.market.imports.importer import MAY_HAVE_ATTRIBUTES
from app.titles import components
from app.titles.components import Components, Drive, parse_components
from app.titles.tokenizer import tokenize
from tests.titles.seller_titles import SELLERS

SSD, NVME, HDD = "SSD", "NVMe SSD", "HDD"

TITLES: dict[str, Components] = {
    "HP EliteDesk 800 G4 Mini i5-8500T 16GB 256GB SSD Win11": Components(
        16, None, (Drive(256, SSD),), None, "Windows 11"
    ),
    "M720q i5-8500T 16 GB RAM 512 GB NVMe M.2 SSD Windows 11 Pro": Components(
        16, None, (Drive(512, NVME),), None, "Windows 11 Pro"
    ),
    "Dell Optiplex 7050 i7-7700 16/512GB W10P": Components(16, None, (Drive(512, None),), None, "Windows 10 Pro"),
    "Ryzen 5 5600 RTX 3060 Ti 8GB 32GB DDR4 3200 1TB NVMe + 2TB HDD": Components(
        32, "DDR4", (Drive(1000, NVME), Drive(2000, HDD)), "RTX 3060 Ti"
    ),
    "GTX 1650 4GB i5-9400F 8GB/256GB SSD no OS": Components(8, None, (Drive(256, SSD),), "GTX 1650"),
    "Z2 Xeon E-2124 2x16GB DDR4 ECC Quadro P2000 5GB 1TB SSD": Components(
        32, "DDR4", (Drive(1000, SSD),), "Quadro P2000"
    ),
    "i5 6500 8gb ram 256 ssd 1tb hdd w10 pro": Components(
        8, None, (Drive(256, SSD), Drive(1000, HDD)), None, "Windows 10 Pro"
    ),
    "Radeon R7 240 PC 4GB RAM 500GB HDD windows 7 home": Components(
        4, None, (Drive(500, HDD),), "Radeon R7 240", "Windows 7 Home"
    ),
    "Laptop 8GB 1TB Ubuntu Radeon RX 580": Components(8, None, (Drive(1000, None),), "Radeon RX 580", "Linux"),
    "32GB (2x16GB) Ryzen 7 5700G": Components(32),
    "2 x 8GB DDR4 i5-8500 PC": Components(16, "DDR4"),
    "RAM 16GB SSD 512GB": Components(16, None, (Drive(512, SSD),)),
    "8GB DDR3 i7-3770 500 GB hard drive": Components(8, "DDR3", (Drive(500, HDD),)),
    "Celeron J4125 128GB eMMC 8 Go RAM": Components(8, None, (Drive(128, "eMMC"),)),
    "i5 1,5TB Festplatte": Components(None, None, (Drive(1500, HDD),)),
    "i5 64GB storage": Components(None, None, (Drive(64, None),)),
    "i5-8500 16GB 32GB": Components(),
    "RTX3060 12GB i5-8500": Components(graphics="RTX3060"),
    "GeForce GTX 1650 Super": Components(graphics="GeForce GTX 1650 Super"),
    "Radeon Pro WX 5100": Components(),
    "Intel UHD 630 i5-8500": Components(),
    "Intel Core i7-8700K 12MB cache 3.7GHz": Components(),
    "i7-8700 16GB cache": Components(),
    "Dell R730 Windows Server 2019": Components(operating_system="Windows Server 2019"),
    "Acer Chrome OS": Components(operating_system="ChromeOS"),
    "iMac macOS": Components(operating_system="macOS"),
    "Win 8.1 Pro": Components(operating_system="Windows 8.1 Pro"),
    "lot of 10 i5-6500": Components(quantity=10),
    "Lot 5x Intel Core i5-8500": Components(quantity=5),
    "2x E5-2680v4": Components(quantity=2),
    "Xeon E5-2680v4 (2x)": Components(quantity=2),
    "X5650 x 2": Components(quantity=2),
    "10 pcs i5-6500": Components(quantity=10),
    "i5-6500 10pcs": Components(quantity=10),
    "Pair of Xeon X5650": Components(quantity=2),
    "Dual Xeon X5650": Components(quantity=2),
    "Dual Core Pentium": Components(),
    "dual-channel kit": Components(),
    "i5-8500": Components(),
    "": Components(),
}


@pytest.mark.parametrize("title", TITLES)
def test_parse_components_of_title_returns_expected_components(title: str) -> None:
    assert parse_components(title) == TITLES[title]


def test_components_without_values_are_false() -> None:
    assert not parse_components("Intel Core i5-8500 tray")
    assert parse_components("Intel Core i5-8500 8GB")


@given(st.text(max_size=300))
def test_parse_components_of_arbitrary_text_raises_no_error(text: str) -> None:
    parse_components(text)


@given(
    st.lists(
        st.sampled_from(
            ["16GB", "1.5TB", "2x8GB", "2", "x", "/", "256", "ssd", "ram", "gb", "rtx", "3060", "win", "11", "1,2.3gb"]
        )
    )
)
def test_parse_components_of_arbitrary_words_raises_no_error(words: list[str]) -> None:
    parse_components(" ".join(words))


PREFILTERED_PATTERNS = [
    *(
        *components._SIZE_FILTERS,
        components._GPU,
        components._PAIR,
        *components._QUANTITIES,
        *(pattern for pattern, _ in components._OPERATING_SYSTEMS),
    ),
    *(title_flags.BROKEN_PATTERN, title_flags.BUNDLE_PATTERN, *title_flags.LOT_PATTERNS),
]
# Texts that patterns may match: words of titles, and the literals of the patterns, complete and cut off.
TITLE_WORDS = sorted({word for title in [*TITLES, *SELLERS] for word in title.lower().split()})
PATTERN_SOURCES = " ".join(prefiltered.pattern.pattern for prefiltered in PREFILTERED_PATTERNS)
PATTERN_LITERALS = sorted(set(re.findall(r"[a-z0-9\u00e0-\u00ff]{2,}", PATTERN_SOURCES)))
OTHER_WORDS = ("x", "2", "4", "16", "512", "g", "t", "go", "to", "tb", "gig", "pc", "os", "as")
WORD_LISTS = st.lists(st.sampled_from([*TITLE_WORDS, *PATTERN_LITERALS, *OTHER_WORDS]), min_size=1, max_size=8)
SEPARATORS = st.sampled_from(["", " ", " ", "-", "/", " (", ") ", ", "])


@given(WORD_LISTS, st.data())
def test_filters_never_change_the_result_of_their_patterns(words: list[str], data: st.DataObject) -> None:
    text = " ".join("".join(word + data.draw(SEPARATORS) for word in words).split())
    for prefiltered in PREFILTERED_PATTERNS:
        expected = prefiltered.pattern.search(text)
        match = prefiltered.search(text)
        assert (match and match.span()) == (expected and expected.span()), prefiltered.substrings
    if not components._may_contain_sizes(text):
        assert components._parse_sizes(*tokenize(text)) == (None, None, [])
    if not MAY_HAVE_ATTRIBUTES(text):
        assert not parse_components(text)
        assert not title_flags.find_flags(text)
        assert not title_flags.is_broken(text)


def test_parse_components_of_fullwidth_characters_reads_them_as_ascii() -> None:
    assert parse_components("i5-8500T \uff11\uff16\uff27\uff22 RAM") == Components(16)
