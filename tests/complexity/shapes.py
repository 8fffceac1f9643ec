"""Texts of any size that repeat a unit, and inputs made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.core.errors import AppError
from app.server.error_response import error_body
from tests.complexity.growth import ClientInput


def reading(parse: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a function that parses a value and, if the server rejects it, makes the response."""

    def read(value: Any) -> object:
        try:
            return parse(value)
        except AppError as error:
            return error_body(error)

    return read


def repeat(unit: str, count: int, start: str = "", end: str = "") -> str:
    return f"{start}{unit * count}{end}"


def numbered(unit: str, count: int, start: str = "", end: str = "", separator: str = "") -> str:
    """Return units with numbers in place of `#`."""
    return start + separator.join(unit.replace("#", str(number)) for number in range(count)) + end


def text_inputs(
    group: str, parse: Callable[[str], object], largest: int, shapes: dict[str, Callable[[int], str]]
) -> list[ClientInput]:
    """Return inputs of about `largest` characters. A shape makes a text of a number of units."""
    inputs = []
    for name, shape in shapes.items():
        units = max(8, largest * 16 // max(1, len(shape(16))))
        inputs.append(ClientInput(f"{group}: {name}", reading(parse), shape, units))
    return inputs
