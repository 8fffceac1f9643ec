"""Configuration of structlog and the standard library's logging."""

from __future__ import annotations

import logging
from typing import Literal, TextIO

import structlog

from app.core.log_sampling import SamplingFilter

# Loggers that write one line per migration, poll or request: only their warnings are of interest.
QUIET_LOGGERS = ("alembic", "arq", "httpx", "uvicorn.access", "uvicorn.websocket")
# Loggers that write lines for connections and invalid requests, which any client can cause.
SAMPLED_LOGGERS = ("uvicorn.error", "uvicorn.websocket", "websockets.server")


def configure_logging(form: Literal["console", "json"], level: str, stream: TextIO) -> None:
    """Send structlog and the standard library's loggers to `stream` in one form.

    Each line carries the bound context, for example the request or job id. Tracebacks are plain in both forms: the
    rich form would print local variables, which may hold secrets.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        else [_console_renderer(colors=stream.isatty())]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel("WARNING")
    for name in SAMPLED_LOGGERS:
        logging.getLogger(name).filters = [SamplingFilter()]


def use_plain_tracebacks() -> None:
    """Replace structlog's default renderer, which prints local variables, until `configure_logging` is called."""
    if not structlog.is_configured():
        processors = structlog.get_config()["processors"]
        structlog.configure(processors=[*processors[:-1], _console_renderer(colors=False)])


def _console_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
