"""The words of sellers that say that a price is not that of one thing that works."""

from __future__ import annotations

import re

from app.tables import ListingFlag

NOT = r"(?<!not )(?<!no )(?<!non[- ])(?<!without )(?<!zero )"
BROKEN = re.compile(
    NOT + r"\b(?:for parts|parts only|for repair|spares (?:or|and|/|&) ?repairs?|not[- ]working|non[- ]?working"
    r"|does ?n[o']t work|broken|defect(?:ive|s)?\b(?![- ]free)|defekt\w*|faulty|damaged|bent pins?|dead|ersatzteile?"
    r"|bastler|pour pi\u00e8ces|hors service|per ricambi|no funciona|para piezas|untested|as[- ]is)\b"
    r"|(?:\bnot working\b)",
    re.IGNORECASE,
)
BUNDLE = re.compile(
    r"\b(?:bundles?|bundled|combo|upgrade kit|aufr\u00fcst(?:kit|set))\b"
    r"|(?:\+|&|\band\b|\bwith\b|\bw/|\bund\b|\bmit\b) ?(?:[^\s+&]+ ){0,4}(?:motherboard|mainboard|mobo)\b",
    re.IGNORECASE,
)
LOT = re.compile(
    r"(?<!\ba )\b(?:job )?lots?\b|\bkonvolut\b|\b(?:matched|matching) pair\b|\bpair of\b|\bwholesale\b"
    r"|\b(?:pack|set|box|tray|case) of \(?(?:[2-9]|[1-9]\d{1,3})\b"
    r"|(?<![\d.,])(?:[2-9]|[1-9]\d{1,3})[- ]?(?:pack|pcs|pieces|st\u00fcck|stk|units|cpus|processors)\b"
    r"|^\W{0,2}(?:[2-9]|[1-9]\d{1,2})\)? ?x (?=(?:intel|amd|core|xeon|ryzen|epyc|cpu|processor)\b)"
    r"|\bx ?(?:[2-9]|[1-9]\d{1,2})$"
    r"|\bqty:? ?(?:[2-9]|[1-9]\d{1,3})\b",
    re.IGNORECASE,
)

# Every title in which a pattern above finds something has one of these, in lower case.
WORDS = (
    "parts", "repair", "t work", "working", "broken", "defe", "faulty", "damaged", "bent pin", "dead", "ersatzteil",
    "bastler", "pour pi\u00e8ces", "hors service", "per ricambi", "no funciona", "para piezas", "untested", "as is",
    "as-is", "bundle", "combo", "upgrade kit", "aufr\u00fcst", "board", "mobo", "lot", "konvolut", "pair", "wholesale",
    "pack", " of ", "pcs", "pieces", "st\u00fcck", "stk", "units", "cpus",
    "processors", "qty",
)  # fmt: skip


def flags(title: str) -> frozenset[ListingFlag]:
    """What the title says of more than one thing being sold."""
    found = set[ListingFlag]()
    if BUNDLE.search(title):
        found.add(ListingFlag.BUNDLE)
    if LOT.search(title):
        found.add(ListingFlag.LOT)
    return frozenset(found)


def is_broken(title: str) -> bool:
    """Whether the title admits that it does not work, or nobody knows."""
    return BROKEN.search(title) is not None
