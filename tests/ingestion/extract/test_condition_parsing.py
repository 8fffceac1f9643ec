"""Conditions, availability and flags in the words of sellers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.tables import Condition, ListingFlag, ListingStatus
from app.ingestion.extract import condition_parsing
from app.market.title_flags import find_flags, is_broken
from app.market.vocabulary import CONDITION_BY_WORD


@pytest.mark.parametrize(
    ("declared", "condition"),
    [
        ("https://schema.org/NewCondition", "new"),
        ("http://schema.org/UsedCondition", "used"),
        ("NewCondition", "new"),
        ("schema:RefurbishedCondition", "refurbished"),
        ("https://schema.org/DamagedCondition", "for_parts"),
        ("New", "new"),
        ("Brand New", "new"),
        ("new", "new"),
        ("Neu", "new"),
        ("Used", "used"),
        ("Pre-owned", "used"),
        ("used_good", "used"),
        ("used_like_new", "used"),
        ("Gebraucht", "used"),
        ("D'occasion", "used"),
        ("Used - Very Good", "used"),
        ("Very Good", "used"),
        ("Renewed", "refurbished"),
        ("refurbished", "refurbished"),
        ("Certified - Refurbished", "refurbished"),
        ("Excellent - Refurbished", "refurbished"),
        ("Seller refurbished", "refurbished"),
        ("Generalüberholt", "refurbished"),
        ("Open box", "open_box"),
        ("Opened \u2013 never used", "open_box"),
        ("New other (see details)", "open_box"),
        ("Like New", "open_box"),
        ("For parts or not working", "for_parts"),
        ("For parts / not working", "for_parts"),
        ("Als Ersatzteil / defekt", "for_parts"),
        ("Used - for parts", "for_parts"),
        ("Not working", "for_parts"),
        ("", "unknown"),
        ("xyz", "unknown"),
        (None, "unknown"),
        (7, "unknown"),
        (["new"], "unknown"),
    ],
)
def test_parse_declared_condition_returns_condition(declared: object, condition: str) -> None:
    assert condition_parsing.parse_declared_condition(declared) == condition


@pytest.mark.parametrize("word", CONDITION_BY_WORD)
def test_parse_declared_condition_of_import_file_word_returns_same_condition(word: str) -> None:
    assert condition_parsing.parse_declared_condition(word.upper()) == CONDITION_BY_WORD[word]


@pytest.mark.parametrize(
    ("declared", "title", "condition"),
    [
        ("NewCondition", "AMD Ryzen 5 5600G (Renewed)", "refurbished"),
        ("NewCondition", "Intel Core i5-8500T Refurbished", "refurbished"),
        ("UsedCondition", "Intel Core i5-8500T for parts or not working", "for_parts"),
        ("UsedCondition", "Intel i7-8700 bent pins", "for_parts"),
        ("UsedCondition", "Ryzen 7 AS-IS untested", "for_parts"),
        ("NewCondition", "Ryzen 5 3600 DEFEKT", "for_parts"),
        ("NewCondition", "Ryzen 5 3600 used", "used"),
        ("NewCondition", "Ryzen 5 3600 open box", "open_box"),
        ("NewCondition", "Heatsink used with LGA1700", "new"),
        ("UsedCondition", "Ryzen 5 3600 brand new sealed", "used"),
        (None, "Ryzen 5 3600 brand new sealed", "new"),
        (None, "Ryzen 5 3600", "unknown"),
        ("UsedCondition", "Ryzen 5 3600, no bent pins, not broken", "used"),
        ("UsedCondition", "Ryzen 5 3600 tested, defect-free", "used"),
        ("RefurbishedCondition", "Dell OptiPlex 7060 i5-8500T", "refurbished"),
    ],
)
def test_parse_condition_returns_worse_of_declaration_and_title(declared: object, title: str, condition: str) -> None:
    assert condition_parsing.parse_condition(declared, title) == condition


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        ("https://schema.org/InStock", "active"),
        ("InStock", "active"),
        ("in stock", "active"),
        ("http://schema.org/LimitedAvailability", "active"),
        ("instock", "active"),
        ("https://schema.org/OutOfStock", "ended"),
        ("out of stock", "ended"),
        ("oos", "ended"),
        ("https://schema.org/SoldOut", "sold"),
        ("Discontinued", "ended"),
        ("PreOrder", "pending"),
        ("BackOrder", "pending"),
        (None, "active"),
        ("", "active"),
        ("whatever", "active"),
        (3, "active"),
        ("sold", "sold"),
    ],
)
def test_parse_availability_returns_status(declared: object, status: str) -> None:
    assert condition_parsing.parse_availability(declared) is ListingStatus(status)


@pytest.mark.parametrize(
    "title",
    [
        "Lot of 5 Intel Core i5-8500T",
        "LOT 10x i5-6500",
        "5x Intel Core i5-8500T",
        "2 x Xeon E5-2670",
        "Intel i5-8500T x10",
        "10 pcs AMD Ryzen 5",
        "(4) x Intel Xeon",
        "Xeon E5-2690 matched pair",
        "Tray of 20 Ryzen CPUs",
        "Intel i5 2-pack",
        "Konvolut Prozessoren",
        "job lot of CPUs",
        "Xeon Qty: 4",
        "50pcs i3-4130",
        "Pair of Xeon Gold 6130",
    ],
)
def test_find_flags_of_lot_title_contains_lot(title: str) -> None:
    assert ListingFlag.LOT in find_flags(title)


@pytest.mark.parametrize(
    "title",
    [
        "Ryzen 5 5600X + B550 motherboard",
        "i5-12400F bundle",
        "Intel i7-8700K with ASUS Z370 motherboard",
        "CPU & Mainboard Combo",
        "Ryzen 7 mit MSI B450 Mainboard",
        "Aufrüstset Ryzen 5",
        "Xeon E5-2680 and X99 mobo",
    ],
)
def test_find_flags_of_bundle_title_contains_bundle(title: str) -> None:
    assert ListingFlag.BUNDLE in find_flags(title)


@pytest.mark.parametrize(
    "title", ["for parts", "not working", "doesn't work", "nonworking", "defective", "Bastler", "bent pins", "AS IS"]
)
def test_is_broken_of_defective_title_is_true(title: str) -> None:
    assert is_broken(title)


@pytest.mark.parametrize(
    "title",
    [
        "Intel Core i5-8500T",
        "AMD Ryzen 5 5600G 6-Core 3.9 GHz",
        "Ryzen 9 7950X3D",
        "Dell OptiPlex 2x8GB RAM i5-8500T",
        "Ryzen 5 with Wraith Stealth cooler",
        "Intel NUC 2 x DDR4 8GB i7",
        "a lot of power: i9-13900K",
        "1 pcs i5-8500T",
        "6x 3.6GHz AMD Ryzen 5",
        "Intel Xeon E5-2670 v3 tray",
        "HP ProDesk 2 USB ports",
        "Core i7-8700 6 cores 12 threads",
        "Pack of 1 i5",
    ],
)
def test_find_flags_of_single_item_title_is_empty(title: str) -> None:
    assert find_flags(title) == frozenset()


@given(st.text())
def test_parsing_of_arbitrary_text_raises_no_error(text: str) -> None:
    assert condition_parsing.parse_condition(text, text) in Condition
    assert condition_parsing.parse_availability(text) in ListingStatus
    assert find_flags(text) <= set(ListingFlag)
