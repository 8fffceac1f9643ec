"""Answers that are found by the bytes of the request alone.

A few look-ups replace reading the request, finding the document, and building the headers. An entry is good while its
epoch is the process's own: any news of a change, or the loss of the connection that brings news, ends it. The bodies
stay in the cache's memory, which bounds them; here is only where to find them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from starlette.types import Message, Scope

from app.cache.entries import GIVEN, TIMED_SECONDS, Answer, Memory, Question, Source
from app.core.metrics import OUTCOMES
from app.db.notifications import Changes
from app.server.cache_headers import Headers, about, etag_of, lifetime, matches
from app.server.content_negotiation import media_type

# More than the pages of any site ask for; beyond it the table starts anew.
MAX_ENTRIES = 10_000
# Requests longer than these are no browser's, and not worth remembering.
MAX_QUERY = 4_000
MAX_ACCEPT = 300
MAX_FORMS = 10

# Of all headers these alone are looked at; another than the first two, or one given twice, needs a closer look.
READ = frozenset({b"accept", b"if-none-match", b"authorization", b"x-request-id"})

Messages = tuple[Message, Message]

NOTHING: Message = {"type": "http.response.body", "body": b""}


@dataclass(slots=True)
class _Form:
    """An answer in one media type. `full` and `not_modified` are how it starts, right `until` (Unix time)."""

    etag: bytes
    content: Headers
    unchanged: Headers
    until: float = 0.0
    full: Message = field(default_factory=dict)
    not_modified: Message = field(default_factory=dict)


@dataclass(slots=True)
class Hot:
    """What a request of known bytes is answered with."""

    epoch: int
    question: Question
    key: bytes
    made_at: float
    expires: float
    uses: int = 0
    forms: dict[bytes, _Form] = field(default_factory=dict)

    def messages(self, headers: Iterable[tuple[bytes, bytes]], memory: Memory) -> Messages | None:
        """The two ASGI messages, or None when this request needs a closer look."""
        accept, known = b"", None
        for name, value in headers:
            if name in READ:
                if name == b"accept" and not accept:
                    accept = value
                elif name == b"if-none-match" and known is None:
                    known = value
                else:
                    return None
        answer = memory.get(self.key)
        if answer is None or answer.made_at != self.made_at:
            return None
        form = self.forms.get(accept) or self._form(accept, answer)
        if form is None or ((now := time.time()) >= form.until and not self._grow_older(form, now)):
            return None
        self.uses += 1
        if known is not None and matches(known, form.etag):
            return form.not_modified, NOTHING
        return form.full, {"type": "http.response.body", "body": answer.body}

    def _grow_older(self, form: _Form, now: float) -> bool:
        """Writes the next second's age down; False when there is none, because time alone made the answer wrong."""
        if now >= self.expires:
            return False
        age = max(0, int(now - self.made_at))
        ageing = lifetime(self.question.document, age)
        form.until = min(self.made_at + age + 1, self.expires)
        form.full = {"type": "http.response.start", "status": 200, "headers": form.content + ageing}
        form.not_modified = {"type": "http.response.start", "status": 304, "headers": form.unchanged + ageing}
        return True

    def _form(self, accept: bytes, answer: Answer) -> _Form | None:
        media = media_type(accept.decode("latin-1"))
        if media is None or len(accept) > MAX_ACCEPT or len(self.forms) >= MAX_FORMS:
            return None
        etag = etag_of(self.question.document, answer, media)
        assert etag is not None
        unchanged: Headers = [*about(Source.MEMORY), (b"etag", etag)]
        size = (b"content-length", b"%d" % len(answer.body))
        form = self.forms[accept] = _Form(etag, [(b"content-type", media.header), size, *unchanged], unchanged)
        return form


class FastPathCache:
    """The table: path and query string of a GET -> Hot."""

    def __init__(self, changes: Changes, memory: Memory, tell: Callable[[Question, int], None]) -> None:
        self.changes, self.memory = changes, memory
        self._tell = tell
        self._entries: dict[tuple[str, bytes], Hot] = {}

    def find(self, scope: Scope) -> Messages | None:
        """The answer to a request of the same bytes as one before, as long as no news came in since."""
        hot = self._entries.get((scope["path"], scope["query_string"]))
        if hot is None or hot.epoch != self.changes.epoch or scope["method"] != "GET":
            return None
        return hot.messages(scope["headers"], self.memory)

    def remember(self, scope: Scope, question: Question, answer: Answer, epoch: int) -> None:
        """Has the next request of the same bytes answered by `find`.

        `epoch` is that of before the answer was asked for: if it has passed, the answer may have been made too early.
        """
        if epoch != self.changes.epoch or answer.key is None or len(scope["query_string"]) > MAX_QUERY:
            return
        if len(self._entries) >= MAX_ENTRIES:
            self.forget()
        expires = answer.made_at + TIMED_SECONDS if question.document.timed else float("inf")
        key = (scope["path"], scope["query_string"])
        if (old := self._entries.get(key)) is not None:
            self._tell_uses_of(old)
        self._entries[key] = Hot(epoch, question, answer.key, answer.made_at, expires)

    def tell_uses(self) -> None:
        """Tells how often the answers in the table were given."""
        for entry in self._entries.values():
            self._tell_uses_of(entry)

    def forget(self) -> None:
        """Empties the table; the uses counted in it are told."""
        self.tell_uses()
        self._entries.clear()

    def _tell_uses_of(self, entry: Hot) -> None:
        self._tell(entry.question, entry.uses)
        OUTCOMES["ok"].inc(entry.uses)
        GIVEN[Source.MEMORY].inc(entry.uses)
        entry.uses = 0
