"""Prices in many notations, and prices that are rejected as ambiguous."""

# ruff: noqa: RUF001 - some prices contain ambiguous characters on purpose

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.ingestion.extract.price_parsing import (
    CURRENCY_CODES,
    Money,
    infer_country,
    parse_amount,
    parse_currency,
    parse_price,
    parse_shipping,
)
from app.ingestion.fetch.errors import AmbiguousPrice, ExtractionError, UnknownCurrency


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.299,00 €", "1299.00"),
        ("599,99", "599.99"),
        ("1'299", "1299"),
        ("1’299.–", "1299"),
        ("1'299.50", "1299.50"),
        ("599", "599"),
        ("599.99", "599.99"),
        ("599.9", "599.90"),
        ("0.99", "0.99"),
        ("$.99", "0.99"),
        ("0", "0"),
        ("0,00 €", "0"),
        ("$1,299.00", "1299.00"),
        ("1,299", "1299"),
        ("1.299", "1299"),
        ("1 299", "1299"),
        ("1 299,00", "1299.00"),
        ("1\u00a0299,00\u00a0€", "1299.00"),
        ("1\u202f299,00 €", "1299.00"),
        ("1.299.000,50", "1299000.50"),
        ("1,299,000.50", "1299000.50"),
        ("1,299,000", "1299000"),
        ("1.299.000", "1299000"),
        ("1,29,999.00", "129999.00"),
        ("1,29,999", "129999"),
        ("12,34,567.89", "1234567.89"),
        ("12.500", "12500"),
        ("0.500", "0.50"),
        ("1299.000", "1299.00"),
        ("599.9900", "599.99"),
        ("599,9900", "599.99"),
        ("1299.005", "1299.01"),
        ("599,- €", "599"),
        ("599,-- €", "599"),
        ("599.– CHF", "599"),
        ("35€99", "35.99"),
        ("1.235€99", "1235.99"),
        ("EUR 599,00", "599.00"),
        ("USD 599", "599"),
        ("599 USD", "599"),
        ("US $599.99", "599.99"),
        ("US$599.99", "599.99"),
        ("£1,299.99", "1299.99"),
        ("￥12,999", "12999"),
        ("₹ 8,499.00", "8499.00"),
        ("R$ 1.299,90", "1299.90"),
        ("1299,90 zł", "1299.90"),
        ("12 990 Kč", "12990"),
        ("CHF 1'299.95", "1299.95"),
        ("5 990 kr", "5990"),
        ("Price: $599.99", "599.99"),
        ("from $599.99", "599.99"),
        ("ab 599,00 €", "599.00"),
        ("$599.99/ea", "599.99"),
        ("$599.99 $599.99", "599.99"),
        ("-20% $599.99", "599.99"),
        ("$599.99 (20 % off)", "599.99"),
        ("+ $5", "5"),
        ("１２９９", "1299"),
        ("١٢٩٩", "1299"),
        ("١٬٢٩٩٫٥٠", "1299.50"),
        ("  599.99  ", "599.99"),
        ("599.", "599"),
        ("599,", "599"),
        ("$599.99.", "599.99"),
        ("9999999998.99", "9999999998.99"),
    ],
)
def test_parse_amount_of_clear_text_returns_amount(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", " ", "-", "N/A", "Call us", "Preis auf Anfrage", "$", "€", "free", "TBD", "%", "20% off", "\0"]
)
def test_parse_amount_of_text_without_number_returns_none(text: str) -> None:
    assert parse_amount(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "$10 - $20",
        "10-20",
        "10–20 €",
        "$10.00 to $20.00",
        "99 € 79 €",
        "99 79",
        "599 99",
        "Was $299 Now $199",
        "2 for $100",
        "3 x 33.33",
        "Ryzen 5 5600",
        "1.29.99",
        "1,2,3",
        "1.2.3.4",
        "1'29",
        "12 34",
        "1,299.00.00",
        "1.299,00,00",
        "1234,567.00",
        "0,123,456",
        "1 299'000.5",
        "1e3",
        "0x10",
        "-5",
        "-5.00",
        "$-5",
        "-$5",
        "−5 €",
        "- 5",
        "10000000000",
        "9" * 50,
        "1" * 300,
        "5 6 7 8 9 10 11 12 13 14 15 16",
        "12:30",
        "2026-11-22",
    ],
)
def test_parse_amount_of_ambiguous_text_raises_error(text: str) -> None:
    with pytest.raises(AmbiguousPrice):
        parse_amount(text)


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (599, "599"),
        (599.99, "599.99"),
        (0, "0"),
        (1.299, "1.30"),
        (Decimal("12.500"), "12.50"),
        (1e3, "1000"),
        (0.1 + 0.2, "0.30"),
    ],
)
def test_parse_amount_of_number_returns_it(value: object, amount: str) -> None:
    assert parse_amount(value) == Decimal(amount)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, -0.01, 10**10, 1e300, 10**400, Decimal("sNaN")])
def test_parse_amount_out_of_range_raises_error(value: object) -> None:
    with pytest.raises(AmbiguousPrice):
        parse_amount(value)


@pytest.mark.parametrize("value", [None, True, False, [], {}, [599], {"price": 1}, b"599", object()])
def test_parse_amount_of_other_types_returns_none(value: object) -> None:
    assert parse_amount(value) is None


def test_parse_amount_accepts_three_decimals_for_some_currencies() -> None:
    assert parse_amount("12.500", "KWD") == Decimal("12.50")
    assert parse_amount("12.500", "EUR") == Decimal(12500)
    assert parse_price("KD 12.500", "KWD") == Money(Decimal("12.50"), "KWD")
    assert parse_price("12.500 KWD") == Money(Decimal("12.50"), "KWD")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("USD", "USD"),
        ("usd", "USD"),
        (" Eur ", "EUR"),
        ("€", "EUR"),
        ("£", "GBP"),
        ("$", "USD"),
        ("US $", "USD"),
        ("US$", "USD"),
        ("C$", "CAD"),
        ("AU$", "AUD"),
        ("zł", "PLN"),
        ("Kč", "CZK"),
        ("CHF", "CHF"),
        ("Fr.", "CHF"),
        ("руб.", "RUB"),
        ("₹", "INR"),
        ("¥", "JPY"),
        ("R$", "BRL"),
        ("Ft", "HUF"),
        ("₺", "TRY"),
        ("₩", "KRW"),
    ],
)
def test_parse_currency_returns_iso_code(text: str, code: str) -> None:
    assert parse_currency(text) == code


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("$", "CA", "CAD"),
        ("$", "AU", "AUD"),
        ("$", "US", "USD"),
        ("$", "DE", "USD"),
        ("kr", "SE", "SEK"),
        ("kr", "DK", "DKK"),
        ("kr.", "NO", "NOK"),
        ("¥", "CN", "CNY"),
        ("Rs", "IN", "INR"),
        ("Rs.", "PK", "PKR"),
        ("R", "ZA", "ZAR"),
    ],
)
def test_parse_currency_of_shared_symbol_depends_on_country(text: str, country: str, code: str) -> None:
    assert parse_currency(text, country) == code


@pytest.mark.parametrize(
    "text",
    ["XXX", "XBT", "BTC", "kr", "Rs", "R", "points", "ABC", "1", "?", "US", "dollar", "XAU", "\ud800", "x" * 999],
)
def test_parse_currency_of_unknown_text_raises_error(text: str) -> None:
    with pytest.raises(UnknownCurrency):
        parse_currency(text)


@pytest.mark.parametrize(
    ("value", "currency", "country", "expected"),
    [
        ("599,99", "EUR", "", "599.99 EUR"),
        ("599,99 €", None, "", "599.99 EUR"),
        (599.99, "usd", "", "599.99 USD"),
        ("$599", None, "", "599 USD"),
        ("$599", None, "CA", "599 CAD"),
        ("$599", "CAD", "", "599 CAD"),
        ("$599", "AUD", "US", "599 AUD"),
        ("C$599", "CAD", "", "599 CAD"),
        ("599 kr", "SEK", "", "599 SEK"),
        ("599 kr", None, "SE", "599 SEK"),
        ("¥599", "CNY", "", "599 CNY"),
        ("599 zł", "PLN", "", "599 PLN"),
        ("EUR 599", "EUR", "", "599 EUR"),
        ("599 CHF", None, "", "599 CHF"),
        ("599", "€", "", "599 EUR"),
    ],
)
def test_parse_price_returns_amount_and_currency(value: object, currency: object, country: str, expected: str) -> None:
    amount, code = expected.split()
    assert parse_price(value, currency, country) == Money(Decimal(amount), code)


@pytest.mark.parametrize("currency", ["XXX", "BTC", "coins", "EURO$"])
def test_parse_price_with_unknown_currency_raises_error(currency: str) -> None:
    for value in ("599", "$599", 599):
        with pytest.raises(UnknownCurrency):
            parse_price(value, currency)


@pytest.mark.parametrize("value", ["599.99", 599.99, "599 kr", "Rs 599", "599 points"])
def test_parse_price_without_currency_raises_error(value: object) -> None:
    with pytest.raises(UnknownCurrency):
        parse_price(value)


@pytest.mark.parametrize(
    ("value", "currency"), [("599 €", "USD"), ("£599", "EUR"), ("599 zł", "EUR"), ("EUR 599", "USD"), ("599 kr", "EUR")]
)
def test_parse_price_with_two_currencies_raises_error(value: str, currency: str) -> None:
    with pytest.raises(AmbiguousPrice, match="two currencies"):
        parse_price(value, currency)


def test_parse_price_without_amount_returns_none() -> None:
    assert parse_price(None, "USD") is None
    assert parse_price("", "EUR") is None
    assert parse_price("Call us") is None


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("Free", "0"),
        ("FREE shipping", "0"),
        ("kostenloser Versand", "0"),
        ("gratis", "0"),
        ("4,99 €", "4.99"),
        (0, "0"),
        ("0.00", "0"),
        ("free over $50", "50"),
        ("soon", None),
        (None, None),
        ("4.99 - 9.99", None),
        (-1, None),
        ("", None),
    ],
)
def test_parse_shipping_returns_amount_or_none(value: object, amount: str | None) -> None:
    assert parse_shipping(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("host", "language", "country"),
    [
        ("shop.de", None, "DE"),
        ("shop.co.uk", "en-US", "GB"),
        ("shop.com", "en-CA", "CA"),
        ("shop.com", "de_at", "AT"),
        ("shop.com", "en", ""),
        ("shop.com", None, ""),
        ("shop.com.au", None, "AU"),
        ("shop.io", "en-GB", "GB"),
        ("10.0.0.1", None, ""),
        ("", "x" * 99, ""),
    ],
)
def test_infer_country_uses_domain_and_language(host: str, language: str | None, country: str) -> None:
    assert infer_country(host, language) == country


AMOUNTS = st.decimals(0, 9_999_999, places=2, allow_nan=False, allow_infinity=False)


@given(
    AMOUNTS, st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u202f", ","), ("", "."), ("", ",")])
)
def test_parse_amount_restores_formatted_amounts(amount: Decimal, signs: tuple[str, str]) -> None:
    thousands, decimal = signs
    text = f"{amount:,.2f}".translate({ord(","): thousands, ord("."): decimal})
    assert parse_amount(text) == amount
    assert parse_price(f"{text} €") == Money(amount, "EUR")
    assert parse_price(text, "usd") == Money(amount, "USD")


@given(
    st.one_of(
        st.text(),
        st.text(st.sampled_from("0123456789.,' -$€%x\u0660\uff11\u00b2kr")),
        st.floats(),
        st.integers(),
        st.none(),
    ),
    st.one_of(st.none(), st.text(max_size=5), st.sampled_from(sorted(CURRENCY_CODES))),
    st.sampled_from(["", "DE", "SE"]),
)
@example("\u00b2", "EUR", "")
@example("1\u00b2", "EUR", "")
def test_parse_price_of_arbitrary_values_raises_documented_errors_only(
    value: object, currency: object, country: str
) -> None:
    try:
        price = parse_price(value, currency, country)
    except ExtractionError:
        return
    assert price is None or (0 <= price.amount < 10**10 and price.currency in CURRENCY_CODES)
