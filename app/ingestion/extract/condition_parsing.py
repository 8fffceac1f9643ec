"""Parse the condition and the availability of an offer from markup values and from the words of sellers."""

from __future__ import annotations

import re

from app.db.tables import Condition, ListingStatus
from app.market.title_flags import BROKEN_PATTERN, is_broken
from app.market.vocabulary import CONDITION_BY_WORD, STATUS_BY_WORD

# From best to worst: if the page and the title disagree, the worse condition counts.
BEST_TO_WORST = (
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
CERTAINLY_NEW = re.compile(r"\b(?:brand[- ]new|factory[- ]sealed|sealed)\b", re.IGNORECASE)
CONDITION_PATTERNS = (
    (BROKEN_PATTERN.pattern, Condition.FOR_PARTS),
    (REFURBISHED, Condition.REFURBISHED),
    (OPEN_BOX, Condition.OPEN_BOX),
    (USED, Condition.USED),
    (LIKE_NEW, Condition.OPEN_BOX),
    (NEW, Condition.NEW),
)
# Values of schema.org and OpenGraph: the last part of a URL, in lower case.
SCHEMA_ORG_CONDITIONS = {
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


def parse_condition(declared: object, title: str) -> Condition:
    """Return the worse of the declared condition and the condition in the title."""
    return max(parse_declared_condition(declared), _condition_in_title(title), key=BEST_TO_WORST.index)


def parse_declared_condition(declared: object) -> Condition:
    """Return the condition that a schema.org URL or the words of a seller mean."""
    if not isinstance(declared, str):
        return Condition.UNKNOWN
    text = " ".join(declared[:200].split()).lower()
    name = re.split(r"[/#:]", text)[-1]
    if name in SCHEMA_ORG_CONDITIONS:
        return SCHEMA_ORG_CONDITIONS[name]
    if text in CONDITION_BY_WORD:
        return Condition(CONDITION_BY_WORD[text])
    text = text.replace("_", " ")
    return next((condition for pattern, condition in CONDITION_PATTERNS if pattern.search(text)), Condition.UNKNOWN)


def parse_availability(declared: object) -> ListingStatus:
    """Return the status that a schema.org URL or words mean; ACTIVE if the page does not say."""
    if not isinstance(declared, str):
        return ListingStatus.ACTIVE
    text = " ".join(declared[:200].split()).lower()
    name = re.sub(r"[\s_-]+", "", re.split(r"[/#:]", text)[-1])
    if name in AVAILABILITY:
        return AVAILABILITY[name]
    return ListingStatus(STATUS_BY_WORD.get(text, ListingStatus.ACTIVE))


def _condition_in_title(title: str) -> Condition:
    if is_broken(title):
        return Condition.FOR_PARTS
    if REFURBISHED.search(title):
        return Condition.REFURBISHED
    if OPEN_BOX.search(title):
        return Condition.OPEN_BOX
    if USED.search(title):
        return Condition.USED
    return Condition.NEW if CERTAINLY_NEW.search(title) else Condition.UNKNOWN
