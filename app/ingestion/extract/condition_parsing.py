"""The words of sellers: conditions, and whether something can be bought."""

from __future__ import annotations

import re

from app.db.tables import Condition, ListingStatus
from app.market.title_flags import BROKEN, is_broken
from app.market.vocabulary import CONDITIONS, STATUSES

# Best first; of two that are told, the worse one is believed.
ORDER = (
    Condition.UNKNOWN, Condition.NEW, Condition.OPEN_BOX, Condition.REFURBISHED, Condition.USED, Condition.FOR_PARTS,
)  # fmt: skip

REFURBISHED = re.compile(
    r"\b(?:refurb\w*|renewed|reconditioned|re-?manufactured|general\u00fcberholt\w*|aufbereitet\w*"
    r"|reconditionn\u00e9\w*|ricondizionat\w*|reacondicionad\w*)",
    re.IGNORECASE,
)
OPEN_BOX = re.compile(r"\b(?:open[- ]?box|opened|never used|unused|new other|new \(other\)|b-ware)\b", re.IGNORECASE)
USED = re.compile(
    r"\b(?:used|pre-?owned|second[- ]?hand|gebraucht\w*|d['\u2019]occasion|usat[oa]|usad[oa])\b"
    r"(?! (?:with|for|in|by|as|to)\b)",
    re.IGNORECASE,
)
LIKE_NEW = re.compile(r"\b(?:like[- ]new|wie neu|comme neuf)\b", re.IGNORECASE)
NEW = re.compile(r"\b(?:new|brand[- ]new|neu|neuf|nuevo|nuovo)\b", re.IGNORECASE)
SURELY_NEW = re.compile(r"\b(?:brand[- ]new|factory[- ]sealed|sealed)\b", re.IGNORECASE)
DECLARED = (
    (BROKEN.pattern, Condition.FOR_PARTS),
    (REFURBISHED, Condition.REFURBISHED),
    (OPEN_BOX, Condition.OPEN_BOX),
    (USED, Condition.USED),
    (LIKE_NEW, Condition.OPEN_BOX),
    (NEW, Condition.NEW),
)
# What schema.org and OpenGraph call them, the last part of a URL in lower case.
MARKED_UP = {
    "newcondition": Condition.NEW,
    "usedcondition": Condition.USED,
    "refurbishedcondition": Condition.REFURBISHED,
    "damagedcondition": Condition.FOR_PARTS,
}
AVAILABILITY = {
    **dict.fromkeys(("instock", "limitedavailability", "onlineonly", "instoreonly", "available"), ListingStatus.ACTIVE),
    **dict.fromkeys(
        ("preorder", "presale", "backorder", "madetoorder", "pending", "availablefororder"), ListingStatus.PENDING
    ),
    "soldout": ListingStatus.SOLD,
    **dict.fromkeys(("outofstock", "oos", "discontinued", "reserved", "unavailable"), ListingStatus.ENDED),
}


def condition(declared: object, title: str) -> Condition:
    """The condition of an offer: what it is declared to be, or worse when the title admits it."""
    return max(declared_condition(declared), _admitted(title), key=ORDER.index)


def declared_condition(declared: object) -> Condition:
    """The condition that a text means: a schema.org URL, or the words of a seller."""
    if not isinstance(declared, str):
        return Condition.UNKNOWN
    text = " ".join(declared[:200].split()).lower()
    last = re.split(r"[/#:]", text)[-1]
    if last in MARKED_UP:
        return MARKED_UP[last]
    if text in CONDITIONS:
        return Condition(CONDITIONS[text])
    text = text.replace("_", " ")
    return next((meant for words, meant in DECLARED if words.search(text)), Condition.UNKNOWN)


def status(declared: object) -> ListingStatus:
    """Whether something can be bought: a schema.org URL, or words. Where nothing is told it can."""
    if not isinstance(declared, str):
        return ListingStatus.ACTIVE
    text = " ".join(declared[:200].split()).lower()
    last = re.sub(r"[\s_-]+", "", re.split(r"[/#:]", text)[-1])
    if last in AVAILABILITY:
        return AVAILABILITY[last]
    return ListingStatus(STATUSES.get(text, ListingStatus.ACTIVE))


def _admitted(title: str) -> Condition:
    if is_broken(title):
        return Condition.FOR_PARTS
    if REFURBISHED.search(title):
        return Condition.REFURBISHED
    if OPEN_BOX.search(title):
        return Condition.OPEN_BOX
    if USED.search(title):
        return Condition.USED
    return Condition.NEW if SURELY_NEW.search(title) else Condition.UNKNOWN
