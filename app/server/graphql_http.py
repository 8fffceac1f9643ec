"""GraphQL over HTTP: reads a request, finds its document, checks admission, asks the cache, executes, and responds.

Requests that the fast path serves do not come here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from graphql import OperationType
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from app.cache.entries import RESPONSES_BY_CACHE_STATUS, CachedResponse, CacheQuery, CacheStatus
from app.cache.response_cache import ResponseCache
from app.core.errors import AppError, BadRequest
from app.core.metrics import REQUEST_DURATION, REQUEST_OUTCOMES
from app.db.notifications import NotificationListener
from app.documents.lookup import DocumentLookup
from app.engine.document import Document, DocumentSummary, Operation
from app.engine.executor import ExecutionOutcome, Executor
from app.engine.request import GraphQLRequest
from app.engine.streams import OperationStreams
from app.graphql.error_masking import to_client_error
from app.graphql.viewer import ANONYMOUS, Viewer
from app.server import cache_headers
from app.server.admission import Admission
from app.server.authentication import Authenticator
from app.server.cache_headers import Headers
from app.server.client_disconnect import ClientDisconnected, DisconnectWatcher
from app.server.content_negotiation import (
    MediaType,
    MethodNotAllowed,
    NotAcceptable,
    error_status,
    negotiate_media_type,
    response_status,
)
from app.server.error_response import RETRY_AFTER_SECONDS, error_body
from app.server.fast_path import FastPathCache
from app.server.multipart import is_form
from app.server.rate_limits import RateLimitClass
from app.server.request_parsing import (
    MAX_BODY_BYTES,
    BodyTooLarge,
    BodyTooSlow,
    canonical_variables,
    check_csrf,
    parse_body,
    parse_query_string,
)
from app.server.sse import EVENT_STREAM, EVENT_STREAM_HEADERS, send_events
from app.server.subscription_limits import SubscriptionLimits
from app.settings import Settings

GRAPHQL_PATH = "/graphql"
WATCH_DELAY_SECONDS = 0.1
# GraphiQL loads its scripts from a CDN and has inline scripts, so their sources are not limited.
IDE_SECURITY_HEADERS: Headers = [
    (b"content-security-policy", b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclass(frozen=True)
class ServerState:
    """What all requests share."""

    settings: Settings
    notifications: NotificationListener
    documents: DocumentLookup
    authenticator: Authenticator
    admission: Admission
    executor: Executor
    streams: OperationStreams
    subscription_limits: SubscriptionLimits
    response_cache: ResponseCache
    fast_path: FastPathCache
    disconnect_watcher: DisconnectWatcher = field(default_factory=lambda: DisconnectWatcher(WATCH_DELAY_SECONDS))


class GraphQLHTTPHandler:
    """Handles one request."""

    def __init__(self, state: ServerState, scope: Scope, receive: Receive, send: Send) -> None:
        self.state, self.settings = state, state.settings
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        self.headers = _headers_by_name(scope["headers"])
        accept = self.headers.get(b"accept", b"").decode("latin-1")
        self.accepts_events = EVENT_STREAM in accept
        self.media = negotiate_media_type(accept)
        self.response_started = False
        peer = scope["client"][0] if scope.get("client") else None
        self.quota = state.admission.client_quota(peer, self._header(b"x-forwarded-for"))

    async def handle(self) -> None:
        """Send a response. Every exception becomes one GraphQL error."""
        started_at = time.perf_counter()
        try:
            await self._respond()
        except ClientDisconnected:
            REQUEST_OUTCOMES["client_disconnected"].inc()
        except Exception as error:
            REQUEST_OUTCOMES["rejected"].inc()
            # No variable may hold the error: its traceback refers to this frame, so that the request, with its whole
            # body, would stay in memory until the next garbage collection.
            await self._send_error(to_client_error(error))
        finally:
            REQUEST_DURATION.observe(time.perf_counter() - started_at)

    async def _respond(self) -> None:
        """Take a request through all steps, from reading it to sending its response."""
        state = self.state
        if self._requests_ide():
            await self._send_ide()
            return
        if self.media is None and not self.accepts_events:
            raise NotAcceptable("Accept application/graphql-response+json or application/json.")

        # Read the request and find the operation that it names.
        request = await self._read_request()
        viewer = await state.authenticator.authenticate(self._header(b"authorization"))
        document = await state.documents.find(request, self.quota)
        operation = document.select_operation(request.operation_name)

        # Check whether it may be executed.
        self._check_method(operation, request)
        check_csrf(request, self.headers, relaxed=self.settings.development)
        cost = state.admission.check_cost(operation, request.variables)

        # urql accepts event streams after JSON for every operation. Only a subscription cannot be answered in JSON.
        if self.accepts_events and (self.media is None or operation.kind is OperationType.SUBSCRIPTION):
            await self._stream(document, operation, request, viewer)
            return
        # Mutations and responses that differ between viewers are not cached.
        if operation.kind is not OperationType.QUERY or not document.public or request.requests_cost:
            await self._execute_uncached(document, operation, request, viewer, cost)
            return

        # Ask the cache, after checking whether the client already has the current response.
        summary = document.summary
        query = CacheQuery(summary, operation.name, canonical_variables(request.variables, operation.variables))
        epoch = state.notifications.epoch
        key = state.response_cache.current_key(query)
        if key is not None and self._client_has(key):
            state.documents.registry.count_query(query)
            await self._send_not_modified(summary, key)
            return
        cached = None if key is None else state.response_cache.get_from_memory(query, key)
        if cached is not None:
            response, status = cached, CacheStatus.MEMORY
        else:
            # Responses from memory cost nothing, so only the others count towards the rate limits.
            await self.quota.count_operation(operation, request)

            async def execute() -> ExecutionOutcome:
                # Requests of other viewers may wait for the same execution.
                return await state.executor.run(document, operation, request.variables, ANONYMOUS)

            lookup = state.response_cache.get_or_execute(query, execute)
            response, status = await state.disconnect_watcher.cancel_on_disconnect(lookup, self.receive)

        # Respond, and serve the next request for the same URL from the fast path.
        state.documents.registry.count_query(query)
        await self._send_response(response, summary, status)
        if self._fits_fast_path(request) and status is not CacheStatus.STALE:
            state.fast_path.store(self.scope, query, response, epoch)

    async def _execute_uncached(
        self, document: Document, operation: Operation, request: GraphQLRequest, viewer: Viewer, cost: int
    ) -> None:
        """Execute an operation for this request only, and send the response."""
        await self.quota.count_operation(operation, request)
        extensions = {"cost": {"requested": cost, "limit": self.settings.cost_limit}} if request.requests_cost else None
        execution = self.state.executor.run(document, operation, request.variables, viewer, extensions)
        outcome = await self.state.disconnect_watcher.cancel_on_disconnect(execution, self.receive)
        self.state.documents.registry.count_use(document)
        await self._send_response(CachedResponse(outcome.body, outcome), document.summary, CacheStatus.BYPASS)

    async def _stream(self, document: Document, operation: Operation, request: GraphQLRequest, viewer: Viewer) -> None:
        """Execute an operation and send its results as server-sent events."""
        await self.quota.count_operation(operation, request)
        with ExitStack() as reservation:
            if operation.kind is OperationType.SUBSCRIPTION:
                reservation.enter_context(self.state.subscription_limits.reserve(self.quota.client))
            self.state.documents.registry.count_use(document)
            self.response_started = True
            await self.send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM_HEADERS})
            results = self.state.streams.stream(document, operation, request.variables, viewer)
            events = send_events(results, self.send)
            await self.state.disconnect_watcher.cancel_on_disconnect(events, self.receive)

    async def _read_request(self) -> GraphQLRequest:
        path_id = self.scope["path"].removeprefix(GRAPHQL_PATH).removeprefix("/") or None
        if self.method == "GET":
            return parse_query_string(self.scope["query_string"], path_id)
        if self.method != "POST":
            raise MethodNotAllowed("GraphQL requests are sent by POST or GET.")
        content_type, max_bytes = self._header(b"content-type") or "", MAX_BODY_BYTES
        if is_form(content_type):
            # Before a large body is read.
            check_csrf(GraphQLRequest(), self.headers, relaxed=False)
            await self.quota.count(RateLimitClass.UPLOAD)
            max_bytes = self.settings.max_upload_kib * 1024
        timeout = self.settings.request_timeout_seconds
        try:
            async with asyncio.timeout(timeout):
                body = await self._read_body(max_bytes)
        except TimeoutError:
            raise BodyTooSlow(f"The body did not arrive within {timeout:g} s.") from None
        return parse_body(content_type, body, path_id)

    async def _read_body(self, max_bytes: int) -> bytes:
        if int(self._header(b"content-length") or 0) > max_bytes:
            raise _body_too_large(max_bytes)  # before a client that sent `Expect: 100-continue` is asked for the body
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            body += message.get("body", b"")
            if len(body) > max_bytes:
                raise _body_too_large(max_bytes)
            if not message.get("more_body", False):
                return bytes(body)

    def _check_method(self, operation: Operation, request: GraphQLRequest) -> None:
        if operation.kind is OperationType.MUTATION and self.method == "GET":
            raise MethodNotAllowed("Mutations are sent by POST.")
        if operation.kind is OperationType.SUBSCRIPTION and not self.accepts_events:
            raise BadRequest("Subscriptions are sent with `Accept: text/event-stream`, or by WebSocket.")
        if request.has_files and operation.kind is not OperationType.MUTATION:
            raise BadRequest("Files are sent with mutations only.")

    def _client_has(self, key: bytes) -> bool:
        """Return whether the client's validator matches the current response, without looking that response up.

        This never holds for time-dependent responses: their validator includes the creation time.
        """
        if_none_match = self.headers.get(b"if-none-match")
        if if_none_match is None or if_none_match.strip() == b"*" or self.method != "GET":
            return False
        assert self.media is not None
        return cache_headers.etag_matches(if_none_match, cache_headers.etag_for_key(key, self.media))

    def _fits_fast_path(self, request: GraphQLRequest) -> bool:
        """Return whether the URL alone determines the response and passes the CSRF check.

        A request with a token does not qualify, because its token is verified each time.
        """
        return self.method == "GET" and request.is_persisted and b"authorization" not in self.headers

    async def _send_response(self, response: CachedResponse, document: DocumentSummary, status: CacheStatus) -> None:
        """Send a response, or 304 if the client has it."""
        assert self.media is not None
        RESPONSES_BY_CACHE_STATUS[status].inc()
        REQUEST_OUTCOMES["ok" if response.outcome is None or response.outcome.has_no_errors else "errors"].inc()
        headers = cache_headers.common_headers(status)
        etag = cache_headers.etag_for_response(document, response, self.media)
        age = max(0, int(time.monotonic() - response.created_at_monotonic))
        if status is CacheStatus.STALE:
            headers += [(b"age", b"%d" % age), *cache_headers.STALE]
        elif etag is None:
            headers += cache_headers.PRIVATE
        else:
            headers += [(b"etag", etag), *cache_headers.freshness_headers(document, age)]
            if_none_match = self.headers.get(b"if-none-match")
            if if_none_match is not None and self.method == "GET" and cache_headers.etag_matches(if_none_match, etag):
                await self._send(304, b"", headers)
                return
        http_status = response_status(response.outcome, self.settings.http_profile, self.media)
        await self._send(http_status, response.body, [(b"content-type", self.media.header), *headers])

    async def _send_not_modified(self, document: DocumentSummary, key: bytes) -> None:
        assert self.media is not None
        RESPONSES_BY_CACHE_STATUS[CacheStatus.MEMORY].inc()
        REQUEST_OUTCOMES["ok"].inc()
        headers = cache_headers.common_headers(CacheStatus.MEMORY)
        headers.append((b"etag", cache_headers.etag_for_key(key, self.media)))
        await self._send(304, b"", [*headers, *cache_headers.freshness_headers(document, 0)])

    async def _send_error(self, error: AppError) -> None:
        """Send an error, unless a response has already begun."""
        if self.response_started:
            return
        # Clients of event streams are recent, so they also read the newer media type.
        media = self.media or (MediaType.GRAPHQL if self.accepts_events else MediaType.JSON)
        status = error_status(error, self.settings.http_profile, media)
        headers: Headers = [(b"content-type", media.header), (b"cache-control", b"no-store"), (b"vary", b"accept")]
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", b"POST" if self.method == "GET" else b"GET, POST"))
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 408:
            headers.append((b"connection", b"close"))
        if status in {429, 503}:
            headers.append((b"retry-after", b"%d" % getattr(error, "retry_after", RETRY_AFTER_SECONDS)))
        await self._send(status, error_body(error), headers)

    def _requests_ide(self) -> bool:
        """Return whether a browser opens /graphql itself; only in development."""
        return (
            self.settings.development
            and self.method == "GET"
            and self.scope["path"] == GRAPHQL_PATH
            and b"text/html" in self.headers.get(b"accept", b"")
            and not self.scope["query_string"]
        )

    async def _send_ide(self) -> None:
        page = get_graphql_ide_html(graphql_ide="graphiql").encode()
        await self._send(200, page, [(b"content-type", b"text/html; charset=utf-8"), *IDE_SECURITY_HEADERS])

    async def _send(self, status: int, body: bytes, headers: Headers) -> None:
        content_length = [] if status == 304 else [(b"content-length", b"%d" % len(body))]
        self.response_started = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *content_length]})
        await self.send({"type": "http.response.body", "body": body})

    def _header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def _body_too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {max_bytes // 1024} KiB.")


def _headers_by_name(headers: list[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return header values by name; repeated headers are joined by commas (RFC 9110, section 5.3)."""
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        by_name.setdefault(name, []).append(value)
    return {name: b", ".join(values) for name, values in by_name.items()}
