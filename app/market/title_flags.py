"""Words in titles for bundles, lots and broken items, which are not sold at the price of one working CPU."""

from __future__ import annotations

import re

from app.db.tables import ListingFlag
from app.titles.matcher import MAX_TITLE_LENGTH
from app.titles.tokenizer import PrefilteredPattern

# Precedes a pattern that a negation must not stand in front of.
_NOT_NEGATED = r"(?<!not )(?<!no )(?<!non[- ])(?<!without )(?<!zero )"
BROKEN_PATTERN = PrefilteredPattern(
    (
        "parts", "repair", "t work", "working", "broken", "defe", "faulty", "damaged", "bent pin", "dead",
        "ersatzteil", "bastler", "pour pi\u00e8ces", "hors service", "per ricambi", "no funciona", "para piezas",
        "untested", "as is", "as-is",
    ),
    re.compile(
        _NOT_NEGATED + r"\b(?:for parts|parts only|for repair|spares (?:or|and|/|&) ?repairs?|not[- ]working"
        r"|non[- ]?working"
        r"|does ?n[o']t work|broken|defect(?:ive|s)?\b(?![- ]free)|defekt\w*|faulty|damaged|bent pins?|dead"
        r"|ersatzteile?|bastler|pour pi\u00e8ces|hors service|per ricambi|no funciona|para piezas|untested|as[- ]is)\b"
        r"|(?:\bnot working\b)"
    ),
)  # fmt: skip
BUNDLE_PATTERN = PrefilteredPattern(
    ("bundle", "combo", "upgrade kit", "aufr\u00fcst", "board", "mobo"),
    re.compile(
        r"\b(?:bundles?|bundled|combo|upgrade kit|aufr\u00fcst(?:kit|set))\b"
        r"|(?:\+|&|\band\b|\bwith\b|\bw/|\bund\b|\bmit\b) ?(?:[^\s+&]+ ){0,4}(?:motherboard|mainboard|mobo)\b"
    ),
)
LOT_PATTERNS = (
    PrefilteredPattern(
        (
            "lot", "konvolut", "pair", "wholesale", " of ", "pack", "pcs", "pieces", "st\u00fcck", "stk", "units",
            "cpus", "processors", "qty",
        ),
        re.compile(
            r"(?<!\ba )\b(?:job )?lots?\b|\bkonvolut\b|\b(?:matched|matching) pair\b|\bpair of\b|\bwholesale\b"
            r"|\b(?:pack|set|box|tray|case) of \(?(?:[2-9]|[1-9]\d{1,3})\b"
            r"|(?<![\d.,])(?:[2-9]|[1-9]\d{1,3})[- ]?(?:pack|pcs|pieces|st\u00fcck|stk|units|cpus|processors)\b"
            r"|\bqty:? ?(?:[2-9]|[1-9]\d{1,3})\b"
        ),
    ),
    PrefilteredPattern(
        ("x ",),
        re.compile(r"^\W{0,2}(?:[2-9]|[1-9]\d{1,2})\)? ?x (?=(?:intel|amd|core|xeon|ryzen|epyc|cpu|processor)\b)"),
    ),
    PrefilteredPattern(("x",), re.compile(r"\bx ?(?:[2-9]|[1-9]\d{1,2})$")),
)  # fmt: skip

# Input of a KeywordFilter: a title without any of these words and substrings has no flags and is not broken.
FLAG_WORDS = (
    "parts", "repair", "repairs", "work", "working", "nonworking", "broken", "defect", "defects", "defective", "faulty",
    "damaged", "bent", "dead", "ersatzteil", "ersatzteile", "bastler", "service", "ricambi", "funciona", "piezas",
    "untested", "is", "bundle", "bundles", "bundled", "combo", "kit", "motherboard", "mainboard", "mobo", "lot", "lots",
    "konvolut", "pair", "wholesale", "of", "pack", "pcs", "pieces", "stk", "units", "cpus", "processors", "qty", "x",
)  # fmt: skip
FLAG_SUBSTRINGS = ("defekt",)


def find_flags(title: str) -> frozenset[ListingFlag]:
    """Return the flags that the words of a title justify: BUNDLE and LOT."""
    words = title[:MAX_TITLE_LENGTH].lower()
    flags = set[ListingFlag]()
    if BUNDLE_PATTERN.search(words):
        flags.add(ListingFlag.BUNDLE)
    if any(pattern.search(words) for pattern in LOT_PATTERNS):
        flags.add(ListingFlag.LOT)
    return frozenset(flags)


def is_broken(title: str) -> bool:
    """Return whether the title says that the item does not work or is untested."""
    return BROKEN_PATTERN.search(title[:MAX_TITLE_LENGTH].lower()) is not None
