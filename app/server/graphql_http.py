"""`/graphql` over HTTP, the long way: one request is read, understood, admitted, run or looked up, and answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from graphql import OperationType
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from app.cache.entries import GIVEN, Answer, Question, Source
from app.cache.response_cache import Responses
from app.core.deadline import Delay
from app.core.errors import AppError, BadRequest
from app.core.metrics import OUTCOMES, REQUEST_SECONDS, SUBSCRIPTIONS
from app.db.notifications import Changes
from app.documents.lookup import Resolver
from app.engine.document import Document, Operation, operation_of
from app.engine.executor import Executor, Ran
from app.engine.request import Ask
from app.graphql.error_masking import presentable_cause
from app.graphql.viewer import NOBODY, Viewer
from app.server import cache_headers
from app.server.admission import Admission
from app.server.authentication import Authenticator
from app.server.cache_headers import Headers
from app.server.content_negotiation import (
    MediaType,
    MethodNotAllowed,
    NotAcceptable,
    media_type,
    status_of_answer,
    status_of_error,
)
from app.server.error_response import error_body
from app.server.fast_path import FastPathCache
from app.server.multipart import is_form
from app.server.request_parsing import (
    MAX_BODY,
    BodyTooLarge,
    BodyTooSlow,
    canonical,
    check_csrf,
    from_body,
    from_query_string,
)
from app.server.sse import EVENT_STREAM, HEADERS, send_events
from app.settings import Settings

log = structlog.get_logger()

T = TypeVar("T")

PATH = "/graphql"


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Means:
    """What requests are answered with."""

    settings: Settings
    changes: Changes
    resolver: Resolver
    authenticator: Authenticator
    admission: Admission
    executor: Executor
    responses: Responses
    hot: FastPathCache
    # A client is only watched while it has waited this long: most have their answers by then, and watching is not free.
    unwatched: Delay = field(default_factory=lambda: Delay(0.1))


class Exchange:
    """One request and its answer."""

    def __init__(self, means: Means, scope: Scope, receive: Receive, send: Send) -> None:
        self.means, self.settings = means, means.settings
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        self.headers = _joined(scope["headers"])
        accept = self.headers.get(b"accept", b"").decode("latin-1")
        self.streams = EVENT_STREAM in accept
        self.media = media_type(accept)
        self.started = False

    async def run(self) -> None:
        """Answers; whatever goes wrong becomes one GraphQL error."""
        began = time.perf_counter()
        try:
            await self._answer()
        except ClientGone:
            OUTCOMES["gone"].inc()
        except Exception as error:
            OUTCOMES["refused"].inc()
            known = presentable_cause(error)
            if not self.started:
                await self._refuse(known)
        finally:
            REQUEST_SECONDS.observe(time.perf_counter() - began)

    async def _answer(self) -> None:
        if self._wants_ide():
            page = get_graphql_ide_html(graphql_ide="graphiql").encode()
            await self._send(200, page, [(b"content-type", b"text/html; charset=utf-8")])
            return
        if self.media is None and not self.streams:
            raise NotAcceptable("The answer can be application/graphql-response+json or application/json.")
        ask = await self._read()
        viewer = await self.means.authenticator.viewer(self._header(b"authorization"))
        document = await self.means.resolver.resolve(ask)
        operation = operation_of(document, ask.operation_name)
        self._check_method(operation, ask)
        check_csrf(ask, self.headers, relaxed=self.settings.development)
        cost = self.means.admission.cost(operation, ask.variables)
        # urql lists event streams after JSON with every operation; only a subscription cannot be answered in JSON.
        if self.streams and (self.media is None or operation.kind is OperationType.SUBSCRIPTION):
            await self._stream(document, operation, ask, viewer)
        elif operation.kind is OperationType.QUERY and document.public and not ask.shows_cost:
            await self._cacheable(document, operation, ask)
        else:
            await self._run(document, operation, ask, viewer, cost)

    async def _run(self, document: Document, operation: Operation, ask: Ask, viewer: Viewer, cost: int) -> None:
        """What is answered for this request alone."""
        await self._count(operation, ask)
        extensions = {"cost": {"requested": cost, "limit": self.settings.cost_limit}} if ask.shows_cost else None
        running = self.means.executor.run(document, operation, ask.variables, viewer, extensions)
        ran = await self._unless_gone(running)
        self.means.resolver.registry.hit(document)
        await self._send_answer(Answer(ran.body, ran), document, Source.BYPASS)

    async def _cacheable(self, document: Document, operation: Operation, ask: Ask) -> None:
        """A query whose answer is the same for everybody."""
        means = self.means
        question = Question(document, operation.name, canonical(ask.variables, operation.variables))
        epoch = means.changes.epoch
        key = means.responses.key(question)
        if key is not None and self._has(key):
            means.resolver.registry.asked(question)
            await self._send_unchanged(document, key)
            return
        answer, source = await self._find(question, key, operation, ask)
        means.resolver.registry.asked(question)
        await self._send_answer(answer, document, source)
        # Whoever signs in is looked at each time; and so is what a page of another site may not send.
        by_url = self.method == "GET" and ask.persisted and b"authorization" not in self.headers
        if by_url and source is not Source.STALE:
            means.hot.remember(self.scope, question, answer, epoch)

    async def _find(
        self, question: Question, key: bytes | None, operation: Operation, ask: Ask
    ) -> tuple[Answer, Source]:
        """What memory has costs nothing and is not counted."""
        kept = None if key is None else self.means.responses.in_memory(question, key)
        if kept is not None:
            return kept, Source.MEMORY
        await self._count(operation, ask)

        async def run() -> Ran:
            # Others may wait for this same run, so it is nobody's in particular.
            return await self.means.executor.run(question.document, operation, ask.variables, NOBODY)

        return await self._unless_gone(self.means.responses.answer(question, run))

    def _wants_ide(self) -> bool:
        return (
            self.settings.development
            and self.method == "GET"
            and self.scope["path"] == PATH
            and b"text/html" in self.headers.get(b"accept", b"")
            and not self.scope["query_string"]
        )

    async def _read(self) -> Ask:
        path_id = self.scope["path"].removeprefix(PATH).removeprefix("/") or None
        if self.method == "GET":
            return from_query_string(self.scope["query_string"], path_id)
        if self.method != "POST":
            raise MethodNotAllowed("GraphQL is spoken by POST and GET.")
        content_type, limit = self._header(b"content-type") or "", MAX_BODY
        if is_form(content_type):
            check_csrf(Ask(), self.headers, relaxed=False)  # before all of it is read
            limit = self.settings.upload_kib * 1024
        seconds = self.settings.request_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await self._body(limit)
        except TimeoutError:
            raise BodyTooSlow(f"The body was not there within {seconds:g} s.") from None
        return from_body(content_type, body, path_id)

    async def _body(self, limit: int) -> bytes:
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > limit:
                raise BodyTooLarge(f"The body is larger than {limit // 1024} KiB.")
            if not message.get("more_body", False):
                return bytes(body)

    def _check_method(self, operation: Operation, ask: Ask) -> None:
        if operation.kind is OperationType.MUTATION and self.method == "GET":
            raise MethodNotAllowed("Mutations are sent by POST.")
        if operation.kind is OperationType.SUBSCRIPTION and not self.streams:
            raise BadRequest("Subscriptions are sent with `Accept: text/event-stream`, or by WebSocket.")
        if ask.has_files and operation.kind is not OperationType.MUTATION:
            raise BadRequest("Files are sent with mutations only.")

    async def _count(self, operation: Operation, ask: Ask) -> None:
        peer = self.scope["client"][0] if self.scope.get("client") else None
        await self.means.admission.count(operation, ask.text is None, peer, self._header(b"x-forwarded-for"))

    async def _unless_gone(self, work: Awaitable[T]) -> T:
        """The result; when the client goes away before it is there, the work is cancelled. Raises ClientGone."""
        mine = asyncio.current_task()
        assert mine is not None
        gone = False
        watching: asyncio.Task[None] | None = None

        def begin() -> None:
            nonlocal watching
            watching = asyncio.create_task(watch())

        async def watch() -> None:
            nonlocal gone
            while (await self.receive())["type"] != "http.disconnect":
                pass
            gone = True
            mine.cancel()

        unwatched = self.means.unwatched
        number = unwatched.give(begin)
        try:
            return await work
        except asyncio.CancelledError:
            if gone and mine.uncancel() == 0:
                raise ClientGone from None
            raise
        finally:
            unwatched.take_back(number)
            if watching is not None:
                watching.cancel()

    def _has(self, key: bytes) -> bool:
        """Whether the client has the right answer, as its validator alone tells: nothing needs to be looked up.

        Never so where the time that an answer was made is part of the validator.
        """
        given = self.headers.get(b"if-none-match")
        if given is None or given.strip() == b"*" or self.method != "GET":
            return False
        assert self.media is not None
        return cache_headers.matches(given, cache_headers.etag_of_key(key, self.media))

    async def _send_unchanged(self, document: Document, key: bytes) -> None:
        assert self.media is not None
        GIVEN[Source.MEMORY].inc()
        OUTCOMES["ok"].inc()
        etag = (b"etag", cache_headers.etag_of_key(key, self.media))
        await self._send(304, b"", [*cache_headers.about(Source.MEMORY), etag, *cache_headers.lifetime(document, 0)])

    async def _send_answer(self, answer: Answer, document: Document, source: Source) -> None:
        """Sends an answer, or 304 when the client has it."""
        assert self.media is not None
        GIVEN[source].inc()
        OUTCOMES["ok" if answer.ran is None or answer.ran.clean else "errors"].inc()
        headers, etag = cache_headers.about(source), cache_headers.etag_of(document, answer, self.media)
        age = max(0, int(time.time() - answer.made_at))
        if source is Source.STALE:
            headers += [(b"age", b"%d" % age), *cache_headers.STALE]
        elif etag is None:
            headers += cache_headers.PRIVATE
        else:
            headers += [(b"etag", etag), *cache_headers.lifetime(document, age)]
            given = self.headers.get(b"if-none-match")
            if given is not None and self.method == "GET" and cache_headers.matches(given, etag):
                await self._send(304, b"", headers)
                return
        status = status_of_answer(answer.ran, self.settings.http_profile, self.media)
        await self._send(status, answer.body, [(b"content-type", self.media.header), *headers])

    async def _refuse(self, error: AppError) -> None:
        # A client of events reads errors as well as any new one does.
        media = self.media or (MediaType.GRAPHQL if self.streams else MediaType.JSON)
        status = status_of_error(error, self.settings.http_profile, media)
        headers: Headers = [(b"content-type", media.header), (b"cache-control", b"no-store"), (b"vary", b"accept")]
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", b"POST" if self.method == "GET" else b"GET, POST"))
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 408:
            headers.append((b"connection", b"close"))
        if status in {429, 503}:
            headers.append((b"retry-after", b"%d" % getattr(error, "retry_after", 2)))
        await self._send(status, error_body(error), headers)

    async def _send(self, status: int, body: bytes, headers: Headers) -> None:
        length = [] if status == 304 else [(b"content-length", b"%d" % len(body))]
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
        await self.send({"type": "http.response.body", "body": body})

    async def _stream(self, document: Document, operation: Operation, ask: Ask, viewer: Viewer) -> None:
        await self._count(operation, ask)
        self.means.resolver.registry.hit(document)
        self.started = True
        await self.send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        source = self.means.executor.stream(document, operation, ask.variables, viewer)
        with SUBSCRIPTIONS.track_inprogress():
            await self._unless_gone(send_events(source, self.send))

    def _header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def _joined(headers: list[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """By name; what is given several times stands in one line, as RFC 9110, 5.3 has it."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined
