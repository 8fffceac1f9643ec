"""A plain reading of DOMAIN.md: exact fractions, one CPU after the other, rounding last. It knows no SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor, isqrt

# Digits of a standard deviation that is not rational; far more than decide any rounding to two decimals.
DIGITS = 80


@dataclass(frozen=True)
class Cpu:
    """Marks, and listings as (status, adjusted price)."""

    multi: int | None = None
    single: int | None = None
    listings: tuple[tuple[str, Decimal | None], ...] = ()

    @property
    def prices(self) -> list[Fraction]:
        """The active prices."""
        return [Fraction(price) for status, price in self.listings if status == "active" and price and price > 0]


@dataclass(frozen=True)
class Target:
    """Prices in USD, rounded to cents; all null with fewer than two of them."""

    n: int
    confidence: str
    great: Decimal | None = None
    good: Decimal | None = None
    fair: Decimal | None = None
    stddev: Decimal | None = None
    high_variance: bool = False


@dataclass(frozen=True)
class Value:
    """$/mark is exact; percentiles are rounded to one decimal."""

    multi: Fraction | None
    single: Fraction | None
    percentile: Decimal | None
    percentile_single: Decimal | None
    rating: str | None


def target(prices: Sequence[Fraction]) -> Target:
    """The price target of these active prices."""
    n = len(prices)
    confidence = "high" if n >= 10 else "medium" if n >= 5 else "low" if n >= 2 else "insufficient"
    if n < 2:
        return Target(n, confidence)
    mean = sum(prices) / Fraction(n)
    deviation = square_root(sum((price - mean) ** 2 for price in prices) / Fraction(n - 1))
    return Target(
        n,
        confidence,
        great=rounded(max(mean - deviation, Fraction(0)), 2),
        good=rounded(mean, 2),
        fair=rounded(mean + deviation, 2),
        stddev=rounded(deviation, 2),
        high_variance=deviation > Fraction(30, 100) * mean,
    )


def dollars_per_mark(prices: Sequence[Fraction], mark: int | None) -> Fraction | None:
    """Mean active price per mark; null without a price or a mark."""
    return sum(prices) / Fraction(len(prices)) / mark if prices and mark else None


def percentiles(values: Sequence[Fraction | None]) -> list[Fraction | None]:
    """Per value, the share in percent of values strictly below it; null stays null and counts for nobody."""
    known = [value for value in values if value is not None]
    return [
        None if value is None else Fraction(100 * sum(other < value for other in known), len(known)) for value in values
    ]


def rating(percentile: Fraction | None) -> str | None:
    """From the unrounded percentile."""
    if percentile is None:
        return None
    borders = {"excellent": 25, "good": 50, "fair": 75}
    return next((name for name, border in borders.items() if percentile <= border), "poor")


def values(dollars: Sequence[tuple[Fraction | None, Fraction | None]]) -> list[Value]:
    """The performance values of a catalogue with these $/mark (multi, single)."""
    multi, single = percentiles([each[0] for each in dollars]), percentiles([each[1] for each in dollars])
    return [
        Value(*each, rounded_or_none(m, 1), rounded_or_none(s, 1), rating(m))
        for each, m, s in zip(dollars, multi, single, strict=True)
    ]


def compute_reference_figures(cpus: Sequence[Cpu]) -> list[tuple[Target, Value]]:
    """Everything, for a whole catalogue."""
    dollars = [(dollars_per_mark(cpu.prices, cpu.multi), dollars_per_mark(cpu.prices, cpu.single)) for cpu in cpus]
    return list(zip([target(cpu.prices) for cpu in cpus], values(dollars), strict=True))


def square_root(number: Fraction) -> Fraction:
    """Exact where the root is rational, else to DIGITS decimals."""
    top, bottom = isqrt(number.numerator), isqrt(number.denominator)
    if Fraction(top, bottom) ** 2 == number:
        return Fraction(top, bottom)
    return Fraction(isqrt(number.numerator * 100**DIGITS // number.denominator), 10**DIGITS)


def rounded(number: Fraction, places: int) -> Decimal:
    """Half up; for numbers that are not negative."""
    return Decimal(f"{floor(number * 10**places + Fraction(1, 2))}e-{places}")


def rounded_or_none(number: Fraction | None, places: int) -> Decimal | None:
    """Half up; null stays null."""
    return None if number is None else rounded(number, places)
