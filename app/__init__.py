"""Dealmark: the GraphQL server that knows what a CPU is worth."""

import structlog

# structlog's own default prints local variables in tracebacks: secrets, and minutes of work for large values.
# This one holds in programs that log before `configure_logging`, or without it.
if not structlog.is_configured():
    structlog.configure(
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
