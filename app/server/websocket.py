"""GraphQL over WebSocket: Strawberry's handler of graphql-transport-ws.

This module checks the shape of messages, and reads and executes operations as the HTTP handler does.
"""

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
from app.engine.executor import is_request_error
from app.graphql.error_masking import to_client_error
from app.server.authentication import Authenticator
from app.server.error_response import graphql_errors
from app.server.graphql_http import ServerState
from app.server.request_parsing import parse_payload
from app.server.strict_json import parse_json

# A control frame holds 125 bytes, two of them the status code (RFC 6455, section 5.5).
MAX_CLOSE_REASON_BYTES = 123
CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)
MAX_SUBSCRIPTIONS_PER_CONNECTION = 20


class WebSocketContext:
    """What Strawberry keeps for a connection: the token and the network address of the client."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.authorization = connection.headers.get("authorization")
        self.forwarded_for = ", ".join(connection.headers.getlist("x-forwarded-for"))
        self.peer = connection.client.host if connection.client else None
        self.connection_params: dict[str, object] = {}


class OperationStreamer:
    """Executes operations for Strawberry's handler, which uses this in place of a schema."""

    def __init__(self, state: ServerState) -> None:
        self.state = state

    async def stream(
        self, query: Mapping[str, Any], *, context_value: WebSocketContext, **_: Any
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Return the results of one operation. `_Handler` passes the payload of the message as `query`."""
        return self._results(query, context_value)

    async def _results(
        self, payload: Mapping[str, Any], context: WebSocketContext
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Yield the results of an operation, or one result with the errors of an invalid request."""
        try:
            request = parse_payload(payload)
            quota = self.state.admission.client_quota(context.peer, context.forwarded_for)
            # For each operation, because the connection may outlive the token.
            viewer = await self.state.authenticator.authenticate(context.authorization)
            document = await self.state.documents.find(request, quota)
            operation = document.select_operation(request.operation_name)
            self.state.admission.check_cost(operation, request.variables)
            await quota.count_operation(operation, request)
        except Exception as error:
            yield PreExecutionError(data=None, errors=graphql_errors(to_client_error(error)))
            return
        self.state.documents.registry.count_use(document)
        results = self.state.executor.stream(document, operation, request.variables, viewer)
        with SUBSCRIPTIONS.track_inprogress():
            async with aclosing(results):
                async for result in results:
                    result_class = PreExecutionError if is_request_error(result) else ExecutionResult
                    yield result_class(data=result.data, errors=result.errors)


class _Adapter(ASGIWebSocketAdapter):
    """Limits the length of close reasons."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection. The reason may quote the client, at any length."""
        await super().close(code, reason.encode()[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore"))


class _Handler(BaseGraphQLTransportWSHandler[WebSocketContext, None]):
    """Closes the connection on malformed messages, and passes whole payloads to `OperationStreamer`."""

    async def handle_message(self, message: Any) -> None:
        """Handle a decoded message; `message` is the error if it was not valid JSON."""
        reason = _invalid_message_reason(message)
        if reason is not None:
            await self.handle_invalid_message(reason)
        else:
            await super().handle_message(message)

    async def handle_subscribe(self, message: Any) -> None:
        """Pass the payload as the query: Strawberry would only pass a text, and drop the id of a document."""
        wrapped: Any = {**message, "payload": {"query": message["payload"]}}
        await super().handle_subscribe(wrapped)

    @staticmethod
    def _get_pre_execution_close_reason(_error: object) -> None:
        """Keep the connection open: a text that cannot be parsed ends its own operation only."""


def _invalid_message_reason(message: object) -> str | None:
    """Return why the shape of a message is invalid, None if it is valid."""
    if isinstance(message, BadRequest):
        return message.message
    if not isinstance(message, dict):
        return "A message must be a JSON object."
    message_type, payload = message.get("type"), message.get("payload")
    if not isinstance(message_type, str):
        return "A message must have a `type`, a string."
    if message_type in {"subscribe", "complete"} and not isinstance(message.get("id"), str):
        return f"A message of type {message_type} must have an `id`, a string."
    if message_type == "subscribe" and not isinstance(payload, dict):
        return "A message of type subscribe must have a `payload`, an object."
    return None


class GraphQLWebSocketApp(GraphQL[Any, None]):
    """ASGI application for WebSocket connections.

    Clients send their token in the payload of `connection_init` (`{"authorization": "Bearer ..."}`) or in the
    Authorization header.
    """

    websocket_adapter_class = _Adapter
    graphql_transport_ws_handler_class = _Handler

    def __init__(self, streamer: OperationStreamer, authenticator: Authenticator) -> None:
        super().__init__(
            streamer,  # type: ignore[arg-type]  # the handler for this protocol only uses its method `stream`
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=CONNECTION_INIT_TIMEOUT,
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS_PER_CONNECTION,
        )
        self.authenticator = authenticator

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> WebSocketContext:
        """Create the context of a connection, before `connection_init` arrives."""
        return WebSocketContext(request)

    def decode_json(self, data: str | bytes) -> object:
        """Parse a message as strictly as an HTTP body. Return the error if it is not valid JSON."""
        try:
            return parse_json(data.encode() if isinstance(data, str) else data, "The message")
        except BadRequest as error:
            return error

    async def on_ws_connect(self, context: WebSocketContext) -> Any:
        """Verify the token before any operation is executed."""
        parameters = context.connection_params
        authorization = next((value for name, value in parameters.items() if name.lower() == "authorization"), None)
        if authorization is not None:
            context.authorization = str(authorization)
        try:
            await self.authenticator.authenticate(context.authorization)
        except AppError as error:
            raise ConnectionRejectionError({"message": error.message, "code": error.code}) from None
        return {}
