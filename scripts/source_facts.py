"""Facts read from the syntax trees of `app/` and `jobs/`: error codes, metrics and log events."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

METRIC_TYPES = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
# Method of a structlog logger -> level of the line.
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}

Sources = Mapping[str, ast.Module]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class ErrorCode:
    """A `code` of an exception class, with the docstring of the class."""

    code: str
    meaning: str
    path: str


@dataclass(frozen=True)
class Metric:
    """A Prometheus metric that a module defines."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    path: str


@dataclass(frozen=True)
class LogEvent:
    """A call that logs an event. Placeholders of a formatted name are in angle brackets: `webhook.<outcome>`."""

    name: str
    levels: tuple[str, ...]
    fields: tuple[str, ...]
    path: str


def parse_sources(root: Path) -> Sources:
    """Return the syntax tree of each module of `app/` and `jobs/`, by its path relative to `root`."""
    paths = sorted(path for folder in ("app", "jobs") for path in (root / folder).rglob("*.py"))
    return {path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def error_codes(sources: Sources) -> list[ErrorCode]:
    """Return the code of each exception class that defines one, sorted by code."""
    codes = [
        ErrorCode(code, ast.get_docstring(node) or "", path)
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (code := _class_constant(node, "code"))
    ]
    return sorted(codes, key=lambda each: (each.code, each.path))


def _class_constant(node: ast.ClassDef, name: str) -> str | None:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in statement.targets
        ):
            return _string(statement.value)
    return None


def metrics(sources: Sources) -> list[Metric]:
    """Return the metrics, sorted by name."""
    found = []
    for path, tree in sources.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in METRIC_TYPES:
                name, meaning = (_string(argument) for argument in (*node.args, None, None)[:2])
                if name is not None:
                    labels = node.args[2] if len(node.args) > 2 else _keyword(node, "labelnames")
                    found.append(Metric(name, METRIC_TYPES[node.func.id], _strings(labels), meaning or "", path))
    return sorted(found, key=lambda each: each.name)


@dataclass
class _Forwarder:
    """A function that logs the event that it receives as its argument number `place`."""

    place: int
    levels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


def log_events(sources: Sources) -> list[LogEvent]:
    """Return every event that is logged, sorted by name.

    A function that logs an event that it receives as an argument counts for each call with a literal name.
    """
    events: list[LogEvent] = []
    forwarders: dict[str, _Forwarder] = {}
    for path, tree in sources.items():
        for function, call, levels in _log_calls(tree):
            name, fields = _string(next(iter(call.args), None)), _fields(call)
            if name is not None:
                events.append(LogEvent(name, levels, fields, path))
            elif function is not None and (place := _forwarded_place(function, call)) is not None:
                forwarder = forwarders.setdefault(function.name, _Forwarder(place))
                forwarder.levels += levels
                forwarder.fields += fields
    for path, tree in sources.items():
        events += _forwarded(tree, path, forwarders)
    return sorted(events, key=lambda each: (each.name, each.path))


def _forwarded(tree: ast.Module, path: str, forwarders: Mapping[str, _Forwarder]) -> Iterator[LogEvent]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in forwarders:
            forwarder = forwarders[node.func.id]
            name = _string(node.args[forwarder.place]) if len(node.args) > forwarder.place else None
            if name is not None:
                yield LogEvent(name, forwarder.levels, forwarder.fields, path)


def _forwarded_place(function: Function, call: ast.Call) -> int | None:
    """Return the position of the parameter that holds the event, None when it is not a parameter."""
    event = next(iter(call.args), None)
    parameters = [each.arg for each in function.args.args]
    return parameters.index(event.id) if isinstance(event, ast.Name) and event.id in parameters else None


def _fields(call: ast.Call) -> tuple[str, ...]:
    return tuple(each.arg for each in call.keywords if each.arg is not None and each.arg != "exc_info")


def _log_calls(tree: ast.AST) -> Iterator[tuple[Function | None, ast.Call, tuple[str, ...]]]:
    """Yield each call of a logger with its enclosing function and its possible levels."""
    for function in (None, *(node for node in ast.walk(tree) if isinstance(node, Function))):
        nodes = list(_own_nodes(tree if function is None else function))
        # `write = log.error if failed else log.info`, then `write("job.complete")`
        aliases = {
            target.id: levels
            for node in nodes
            if isinstance(node, ast.Assign) and (levels := _logger_levels(node.value))
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in nodes:
            if isinstance(node, ast.Call):
                alias = aliases.get(node.func.id, ()) if isinstance(node.func, ast.Name) else ()
                if levels := _logger_levels(node.func) or alias:
                    yield function, node, levels


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `root`, but not those inside of nested functions."""
    for child in ast.iter_child_nodes(root):
        if not isinstance(child, Function):
            yield child
            yield from _own_nodes(child)


def _logger_levels(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.IfExp):
        return _logger_levels(node.body) + _logger_levels(node.orelse)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "log":
        return (LEVELS[node.attr],) if node.attr in LEVELS else ()
    return ()


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _strings(node: ast.expr | None) -> tuple[str, ...]:
    elements = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
    return tuple(text for each in elements if (text := _string(each)) is not None)


def _string(node: ast.expr | None) -> str | None:
    """Return the text of a literal, with the placeholders of an f-string in angle brackets; None for others."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"<{ast.unparse(part)[1:-1].strip('{}')}>"
            for part in node.values
        )
    return None
