"""The words of sellers that say that a price is not that of one thing that works."""

from __future__ import annotations

import re

from app.db.tables import ListingFlag
from app.titles.tokenizer import Hinted

NOT = r"(?<!not )(?<!no )(?<!non[- ])(?<!without )(?<!zero )"
BROKEN = Hinted(
    (
        "parts", "repair", "t work", "working", "broken", "defe", "faulty", "damaged", "bent pin", "dead",
        "ersatzteil", "bastler", "pour pi\u00e8ces", "hors service", "per ricambi", "no funciona", "para piezas",
        "untested", "as is", "as-is",
    ),
    re.compile(
        NOT + r"\b(?:for parts|parts only|for repair|spares (?:or|and|/|&) ?repairs?|not[- ]working|non[- ]?working"
        r"|does ?n[o']t work|broken|defect(?:ive|s)?\b(?![- ]free)|defekt\w*|faulty|damaged|bent pins?|dead"
        r"|ersatzteile?|bastler|pour pi\u00e8ces|hors service|per ricambi|no funciona|para piezas|untested|as[- ]is)\b"
        r"|(?:\bnot working\b)"
    ),
)  # fmt: skip
BUNDLE = Hinted(
    ("bundle", "combo", "upgrade kit", "aufr\u00fcst", "board", "mobo"),
    re.compile(
        r"\b(?:bundles?|bundled|combo|upgrade kit|aufr\u00fcst(?:kit|set))\b"
        r"|(?:\+|&|\band\b|\bwith\b|\bw/|\bund\b|\bmit\b) ?(?:[^\s+&]+ ){0,4}(?:motherboard|mainboard|mobo)\b"
    ),
)
LOTS = (
    Hinted(
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
    Hinted(
        ("x ",),
        re.compile(r"^\W{0,2}(?:[2-9]|[1-9]\d{1,2})\)? ?x (?=(?:intel|amd|core|xeon|ryzen|epyc|cpu|processor)\b)"),
    ),
    Hinted(("x",), re.compile(r"\bx ?(?:[2-9]|[1-9]\d{1,2})$")),
)  # fmt: skip

# For a `Gate`: a title without any of these has no flags and is not broken.
TELLING_WORDS = (
    "parts", "repair", "repairs", "work", "working", "nonworking", "broken", "defect", "defects", "defective", "faulty",
    "damaged", "bent", "dead", "ersatzteil", "ersatzteile", "bastler", "service", "ricambi", "funciona", "piezas",
    "untested", "is", "bundle", "bundles", "bundled", "combo", "kit", "motherboard", "mainboard", "mobo", "lot", "lots",
    "konvolut", "pair", "wholesale", "of", "pack", "pcs", "pieces", "stk", "units", "cpus", "processors", "qty", "x",
)  # fmt: skip
TELLING_PARTS = ("defekt",)


def flags(title: str) -> frozenset[ListingFlag]:
    """What the title says of more than one thing being sold."""
    words = title.lower()
    found = set[ListingFlag]()
    if BUNDLE.search(words):
        found.add(ListingFlag.BUNDLE)
    if any(each.search(words) for each in LOTS):
        found.add(ListingFlag.LOT)
    return frozenset(found)


def is_broken(title: str) -> bool:
    """Whether the title admits that it does not work, or nobody knows."""
    return BROKEN.search(title.lower()) is not None
