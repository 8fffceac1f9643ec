"""Dealmark: the GraphQL server that knows what a CPU is worth."""

from app.core.logging import use_plain_tracebacks

use_plain_tracebacks()  # for all that logs before `configure_logging`, or in a process that never calls it
