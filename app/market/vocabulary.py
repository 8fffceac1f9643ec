"""Words that import files use for conditions and statuses, in lower case."""

from __future__ import annotations

from app.db.tables import Condition, ListingStatus

# Word -> value of Condition.
CONDITION_BY_WORD: dict[str, str] = {
    **{str(condition): str(condition) for condition in Condition},
    **dict.fromkeys(("brand new", "sealed"), Condition.NEW.value),
    **dict.fromkeys(("open box", "open-box", "like new", "like-new", "like_new"), Condition.OPEN_BOX.value),
    **dict.fromkeys(
        ("refurb", "renewed", "certified refurbished", "seller refurbished", "manufacturer refurbished"),
        Condition.REFURBISHED.value,
    ),
    **dict.fromkeys(
        ("pre-owned", "preowned", "pre owned", "very good", "good", "acceptable", "used - good"), Condition.USED.value
    ),
    **dict.fromkeys(
        ("for parts", "for-parts", "not working", "for parts or not working", "for parts / not working", "broken"),
        Condition.FOR_PARTS.value,
    ),
}

# Word -> value of ListingStatus.
STATUS_BY_WORD: dict[str, str] = {
    **{str(status): str(status) for status in ListingStatus},
    **dict.fromkeys(
        ("inactive", "expired", "removed", "archived", "out_of_stock", "out of stock"), ListingStatus.ENDED.value
    ),
}
