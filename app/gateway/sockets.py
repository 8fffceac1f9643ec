"""graphql-transport-ws, by strawberry's handler; documents and contexts are the gateway's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from app.context import Viewer
from app.errors import AppError, presentable_cause
from app.gateway.auth import Authenticator
from app.gateway.endpoint import Means
from app.gateway.execution import is_request_error
from app.gateway.resolution import operation_of
from app.gateway.wire import errors_of
from app.observability import SUBSCRIPTIONS


class SocketContext:
    """What strawberry keeps for a connection: who asks, and from where."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.header = connection.headers.get("authorization")
        self.forwarded = connection.headers.get("x-forwarded-for")
        self.peer = connection.client.host if connection.client else None
        self.viewer = Viewer()
        self.connection_params: dict[str, object] = {}


class SocketOperations:
    """What strawberry's handler takes for a schema: runs each operation with a context of its own."""

    def __init__(self, means: Means) -> None:
        self.means = means

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results of one operation; what is wrong with the request is the first and only one."""
        return self._results(query or "", variable_values or {}, context_value, operation_name)

    async def _results(
        self, text: str, variables: dict[str, Any], asker: SocketContext, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        try:
            document = self.means.resolver.of_text(text)
            operation = operation_of(document, operation_name)
            self.means.admission.cost(operation, variables)
            await self.means.admission.count(operation, False, asker.peer, asker.forwarded)
        except Exception as error:
            yield PreExecutionError(data=None, errors=errors_of(presentable_cause(error)))
            return
        source = self.means.executor.stream(document, operation, variables, asker.viewer)
        with SUBSCRIPTIONS.track_inprogress():
            async with aclosing(source):
                async for result in source:
                    kind = PreExecutionError if is_request_error(result) else ExecutionResult
                    yield kind(data=result.data, errors=result.errors)


class SubscriptionSocket(GraphQL[Any, None]):
    """A token comes in the connection's payload (`{"authorization": "Bearer ..."}`) or in the header."""

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

    async def on_ws_connect(self, context: SocketContext) -> Any:
        """Knows who asks before anything is run."""
        payload = context.connection_params
        header = next((v for k, v in payload.items() if k.lower() == "authorization"), context.header)
        try:
            context.viewer = await self.authenticator.viewer(None if header is None else str(header))
        except AppError as error:
            raise ConnectionRejectionError({"message": error.message, "code": error.code}) from None
        return {}
