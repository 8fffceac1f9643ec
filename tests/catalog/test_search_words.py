"""Words of a search."""

from __future__ import annotations

import pytest

from app.catalog.sql import search_words


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (None, []),
        (" \t-_ ", []),
        ("i5-8500T", ["i58500t"]),
        ("Intel i5", ["intel", "i5"]),
        ("e " * 100, ["e"]),
        ("i in int INTEL intel nte ryzen", ["intel", "ryzen"]),
    ],
)
def test_search_words_leave_out_repeated_and_contained_words(search: str | None, words: list[str]) -> None:
    assert search_words(search) == words
