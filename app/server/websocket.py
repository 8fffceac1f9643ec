"""GraphQL over WebSocket: Strawberry's handler of graphql-transport-ws.

This module checks the shape of messages, and reads and executes operations as the HTTP handler does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, aclosing, suppress
from datetime import timedelta
from typing import Any

import orjson
from graphql import OperationType
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation

from app.core.errors import AppError, BadRequest
from app.engine.streams import StreamResult
from app.graphql.error_masking import to_client_error
from app.server.authentication import Authenticator
from app.server.error_response import graphql_errors
from app.server.graphql_http import ServerState
from app.server.request_parsing import parse_payload
from app.server.strict_json import parse_json
from app.server.subscription_limits import SubscriptionLimitExceeded

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
    """Executes operations for Strawberry's handler, which gets this in place of a schema."""

    def __init__(self, state: ServerState) -> None:
        self.state = state

    async def stream(
        self, payload: Mapping[str, Any], context: WebSocketContext
    ) -> AsyncGenerator[Sequence[StreamResult], None]:
        """Yield the results of an operation, or one result with the errors of an invalid request."""
        state = self.state
        with ExitStack() as reservation:
            try:
                request = parse_payload(payload)
                quota = state.admission.client_quota(context.peer, context.forwarded_for)
                # For each operation, because the connection may outlive the token.
                viewer = await state.authenticator.authenticate(context.authorization)
                document = await state.documents.find(request, quota)
                operation = document.select_operation(request.operation_name)
                state.admission.check_cost(operation, request.variables)
                await quota.count_operation(operation, request)
                if operation.kind is OperationType.SUBSCRIPTION:
                    reservation.enter_context(state.subscription_limits.reserve(quota.client))
            except Exception as error:
                yield [StreamResult(b"", graphql_errors(to_client_error(error)))]
                return
            state.documents.registry.count_use(document)
            results = state.streams.stream(document, operation, request.variables, viewer)
            async with aclosing(results):
                async for batch in results:
                    yield batch


class _Adapter(ASGIWebSocketAdapter):
    """Limits the length of close reasons."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection. The reason may quote the client, at any length."""
        await super().close(code, reason.encode()[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore"))

    async def send_text(self, text: str) -> None:
        """Send an encoded message. Raises WebSocketDisconnected."""
        try:
            await self.ws.send_text(text)
        except WebSocketDisconnect:
            raise WebSocketDisconnected from None


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
        operation_id = message["id"]
        if len(self.operations) >= MAX_SUBSCRIPTIONS_PER_CONNECTION and operation_id not in self.operations:
            error = SubscriptionLimitExceeded(
                f"This connection has {MAX_SUBSCRIPTIONS_PER_CONNECTION} active operations, the maximum: complete one "
                "of them, or open another connection."
            )
            payload: Any = [graphql_error.formatted for graphql_error in graphql_errors(error)]
            await self.send_message({"id": operation_id, "type": "error", "payload": payload})
            return
        wrapped: Any = {**message, "payload": {"query": message["payload"]}}
        await super().handle_subscribe(wrapped)

    async def run_operation(self, operation: Operation[WebSocketContext, None]) -> None:
        """Send the results of an operation as they are: encoded for all its subscribers."""
        streamer: Any = self.schema
        websocket: Any = self.websocket
        start = f'{{"id":{orjson.dumps(operation.id).decode()},"type":"next","payload":'
        is_first = True
        results: AsyncGenerator[Sequence[StreamResult], None] = streamer.stream(operation.query, self.context)
        with suppress(WebSocketDisconnected):
            async with aclosing(results):
                async for batch in results:
                    if is_first and batch[0].request_errors:
                        await operation.send_initial_errors(list(batch[0].request_errors))
                        return
                    is_first = False
                    for result in batch:
                        await websocket.send_text(f"{start}{result.body.decode()}}}")
            await operation.send_operation_message({"id": operation.id, "type": "complete"})


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
            max_subscriptions_per_connection=None,  # see `handle_subscribe`
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
