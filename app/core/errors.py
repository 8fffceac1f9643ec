"""The errors whose text may reach a client.

Everything else that is raised is logged with the request id, and the client is told that id alone.
"""

from __future__ import annotations


class AppError(Exception):
    """An error that was meant for whoever asked: `message` says what to do, `code` is for programs."""

    code = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(AppError):
    """An argument has the right type but not a usable value."""

    code = "BAD_USER_INPUT"


class BadCursor(AppError):
    """A pagination cursor that this server did not make, or made for another ordering."""

    code = "BAD_CURSOR"


class ExpiredCursor(AppError):
    """A cursor after which something was deleted: to go on from it would miss that without a word."""

    code = "CURSOR_EXPIRED"


class NotFound(AppError):
    """A thing that was named does not exist."""

    code = "NOT_FOUND"


class Unauthenticated(AppError):
    """No token, or one that does not hold."""

    code = "UNAUTHENTICATED"


class Forbidden(AppError):
    """The token holds, but its role is not enough."""

    code = "FORBIDDEN"


class BadRequest(AppError):
    """The HTTP request is not a GraphQL request."""

    code = "BAD_REQUEST"


class Unavailable(AppError):
    """A server that this one needs does not answer; asking again later helps."""

    code = "SERVICE_UNAVAILABLE"


class StartupError(AppError):
    """The program cannot start as configured; the command line prints the sentence and exits with 1."""

    code = "STARTUP"
