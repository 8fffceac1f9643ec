"""Reference implementation of the formulas in docs/explanation/recalculation.md: exact fractions, rounded last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor, isqrt

# Decimals of a standard deviation that is not rational: far more than rounding to two decimals needs.
DIGITS = 80


@dataclass(frozen=True)
class Cpu:
    """A CPU: its marks, and its listings as pairs of status and adjusted price in USD."""

    multi: int | None = None
    single: int | None = None
    listings: tuple[tuple[str, Decimal | None], ...] = ()

    @property
    def prices(self) -> list[Fraction]:
        """The active prices in USD."""
        return [Fraction(price) for status, price in self.listings if status == "active" and price and price > 0]


@dataclass(frozen=True)
class Target:
    """A price target in USD, rounded to cents; its prices are None if there are fewer than two active prices."""

    n: int
    confidence: str
    great: Decimal | None = None
    good: Decimal | None = None
    fair: Decimal | None = None
    stddev: Decimal | None = None
    high_variance: bool = False


@dataclass(frozen=True)
class Value:
    """Dollar per mark (exact), percentiles (rounded to one decimal) and rating of a CPU."""

    multi: Fraction | None
    single: Fraction | None
    percentile: Decimal | None
    percentile_single: Decimal | None
    rating: str | None


def target(prices: Sequence[Fraction]) -> Target:
    """Compute the price target from the active prices of a CPU."""
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
    """Divide the mean active price by a mark. Return None without a price or a mark above 0."""
    return sum(prices) / Fraction(len(prices)) / mark if prices and mark else None


def percentiles(values: Sequence[Fraction | None]) -> list[Fraction | None]:
    """Return for each value the percentage of known values that are below it, and None for None."""
    known = [value for value in values if value is not None]
    return [
        None if value is None else Fraction(100 * sum(other < value for other in known), len(known)) for value in values
    ]


def rating(percentile: Fraction | None) -> str | None:
    """Return the rating for a percentile, which must not be rounded."""
    if percentile is None:
        return None
    borders = {"excellent": 25, "good": 50, "fair": 75}
    return next((name for name, border in borders.items() if percentile <= border), "poor")


def values(dollars: Sequence[tuple[Fraction | None, Fraction | None]]) -> list[Value]:
    """Compute the performance value of each CPU from the pairs of dollar per mark (multi, single) of a catalogue."""
    multi, single = percentiles([each[0] for each in dollars]), percentiles([each[1] for each in dollars])
    return [
        Value(*each, rounded_or_none(m, 1), rounded_or_none(s, 1), rating(m))
        for each, m, s in zip(dollars, multi, single, strict=True)
    ]


def compute_reference_figures(cpus: Sequence[Cpu]) -> list[tuple[Target, Value]]:
    """Compute all figures of a catalogue."""
    dollars = [(dollars_per_mark(cpu.prices, cpu.multi), dollars_per_mark(cpu.prices, cpu.single)) for cpu in cpus]
    return list(zip([target(cpu.prices) for cpu in cpus], values(dollars), strict=True))


def square_root(number: Fraction) -> Fraction:
    """Return the square root, exact if it is rational, else cut to DIGITS decimals."""
    top, bottom = isqrt(number.numerator), isqrt(number.denominator)
    if Fraction(top, bottom) ** 2 == number:
        return Fraction(top, bottom)
    return Fraction(isqrt(number.numerator * 100**DIGITS // number.denominator), 10**DIGITS)


def rounded(number: Fraction, places: int) -> Decimal:
    """Round half up. The number must not be negative."""
    return Decimal(f"{floor(number * 10**places + Fraction(1, 2))}e-{places}")


def rounded_or_none(number: Fraction | None, places: int) -> Decimal | None:
    """Round half up; return None for None."""
    return None if number is None else rounded(number, places)
