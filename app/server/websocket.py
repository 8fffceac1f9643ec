"""graphql-transport-ws, by strawberry's handler; messages are checked, and operations read and run, by the gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from app.core.errors import AppError, BadRequest
from app.core.metrics import SUBSCRIPTIONS
from app.engine.document import operation_of
from app.engine.executor import is_request_error
from app.graphql.error_masking import presentable_cause
from app.server.authentication import Authenticator
from app.server.error_response import errors_of
from app.server.graphql_http import Means
from app.server.request_parsing import from_payload
from app.server.strict_json import strict_json

# What is left for a reason in the frame that closes a socket (RFC 6455, 5.5), bytes.
MAX_REASON = 123


class SocketContext:
    """What strawberry keeps for a connection: the token of who asks, and from where."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.authorization = connection.headers.get("authorization")
        self.forwarded = ", ".join(connection.headers.getlist("x-forwarded-for"))
        self.peer = connection.client.host if connection.client else None
        self.connection_params: dict[str, object] = {}


class SocketOperations:
    """What strawberry's handler takes for a schema: runs each operation with a context of its own."""

    def __init__(self, means: Means) -> None:
        self.means = means

    async def stream(
        self, query: Mapping[str, Any], *, context_value: SocketContext, **_: Any
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results of one operation, given as `_Handler` does: the whole payload for its query."""
        return self._results(query, context_value)

    async def _results(self, payload: Mapping[str, Any], asker: SocketContext) -> AsyncGenerator[ExecutionResult, None]:
        """What is wrong with the request is the first and only one."""
        try:
            ask = from_payload(payload)
            # Each time: the socket may be older than the token lasts.
            viewer = await self.means.authenticator.viewer(asker.authorization)
            document = await self.means.resolver.resolve(ask)
            operation = operation_of(document, ask.operation_name)
            self.means.admission.cost(operation, ask.variables)
            await self.means.admission.count(operation, ask.text is None, asker.peer, asker.forwarded)
        except Exception as error:
            yield PreExecutionError(data=None, errors=errors_of(presentable_cause(error)))
            return
        self.means.resolver.registry.hit(document)
        source = self.means.executor.stream(document, operation, ask.variables, viewer)
        with SUBSCRIPTIONS.track_inprogress():
            async with aclosing(source):
                async for result in source:
                    kind = PreExecutionError if is_request_error(result) else ExecutionResult
                    yield kind(data=result.data, errors=result.errors)


class _Adapter(ASGIWebSocketAdapter):
    """Closes whatever the reason is."""

    async def close(self, code: int, reason: str) -> None:
        """A reason may quote the client, at any length."""
        await super().close(code, reason.encode()[:MAX_REASON].decode(errors="ignore"))


class _Handler(BaseGraphQLTransportWSHandler[SocketContext, None]):
    """Closes the socket on messages of a wrong shape, and reads no more of an operation than its id."""

    async def handle_message(self, message: Any) -> None:
        """`message` is JSON, or says why it is none."""
        fault = _fault(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_subscribe(self, message: Any) -> None:
        """Strawberry's own knows nothing of ids of documents: `SocketOperations` gets all of the payload."""
        whole: Any = {**message, "payload": {"query": message["payload"]}}
        await super().handle_subscribe(whole)

    @staticmethod
    def _get_pre_execution_close_reason(_error: object) -> None:
        """None: an operation that cannot be parsed ends itself, not the others of the socket."""


def _fault(message: object) -> str | None:
    """What is wrong with the shape of a message."""
    if isinstance(message, BadRequest):
        return message.message
    if not isinstance(message, dict):
        return "A message must be a JSON object."
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str):
        return "A message must have a `type`, a string."
    if kind in {"subscribe", "complete"} and not isinstance(message.get("id"), str):
        return f"A message of type {kind} must have an `id`, a string."
    if kind == "subscribe" and not isinstance(payload, dict):
        return "A message of type subscribe must have a `payload`, an object."
    return None


class SubscriptionSocket(GraphQL[Any, None]):
    """A token comes in the connection's payload (`{"authorization": "Bearer ..."}`) or in the header."""

    websocket_adapter_class = _Adapter
    graphql_transport_ws_handler_class = _Handler

    def __init__(self, operations: SocketOperations, authenticator: Authenticator) -> None:
        super().__init__(
            operations,  # type: ignore[arg-type]  # its handler for this protocol uses `stream` alone
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=10),
            max_subscriptions_per_connection=20,
        )
        self.authenticator = authenticator

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> SocketContext:
        """Of the connection, before it said who it is."""
        return SocketContext(request)

    def decode_json(self, data: str | bytes) -> object:
        """JSON as strict as in a body; what is none comes back as the error that says why."""
        try:
            return strict_json(data.encode() if isinstance(data, str) else data, "The message")
        except BadRequest as error:
            return error

    async def on_ws_connect(self, context: SocketContext) -> Any:
        """Knows who asks before anything is run."""
        given = next((v for k, v in context.connection_params.items() if k.lower() == "authorization"), None)
        if given is not None:
            context.authorization = str(given)
        try:
            await self.authenticator.viewer(context.authorization)
        except AppError as error:
            raise ConnectionRejectionError({"message": error.message, "code": error.code}) from None
        return {}
