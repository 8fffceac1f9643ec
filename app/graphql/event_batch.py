"""Events of a subscription that are ready at the same time."""

from __future__ import annotations

from typing import Any


class EventBatch(list[Any]):
    """Several events, which a subscription's resolver yields instead of one event after another.

    They are executed together and sent together.
    """
