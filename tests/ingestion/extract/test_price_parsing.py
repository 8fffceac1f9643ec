"""Prices in all their spellings, and those that must be refused."""

# ruff: noqa: RUF001 - signs that look like others are what some of this is about

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
def test_amounts_in_texts(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", " ", "-", "N/A", "Call us", "Preis auf Anfrage", "$", "€", "free", "TBD", "%", "20% off", "\0"]
)
def test_texts_without_an_amount(text: str) -> None:
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
def test_texts_that_are_unclear(text: str) -> None:
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
def test_numbers_are_what_they_are(value: object, amount: str) -> None:
    assert parse_amount(value) == Decimal(amount)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, -0.01, 10**10, 1e300, 10**400, Decimal("sNaN")])
def test_numbers_that_nobody_pays(value: object) -> None:
    with pytest.raises(AmbiguousPrice):
        parse_amount(value)


@pytest.mark.parametrize("value", [None, True, False, [], {}, [599], {"price": 1}, b"599", object()])
def test_other_things_are_no_amount(value: object) -> None:
    assert parse_amount(value) is None


def test_three_decimals_where_money_has_them() -> None:
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
def test_currencies(text: str, code: str) -> None:
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
def test_symbols_that_countries_share(text: str, country: str, code: str) -> None:
    assert parse_currency(text, country) == code


@pytest.mark.parametrize(
    "text",
    ["XXX", "XBT", "BTC", "kr", "Rs", "R", "points", "ABC", "1", "?", "US", "dollar", "XAU", "\ud800", "x" * 999],
)
def test_currencies_that_are_none(text: str) -> None:
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
def test_money(value: object, currency: object, country: str, expected: str) -> None:
    amount, code = expected.split()
    assert parse_price(value, currency, country) == Money(Decimal(amount), code)


@pytest.mark.parametrize("currency", ["XXX", "BTC", "coins", "EURO$"])
def test_an_unknown_currency_is_an_error_and_never_dollars(currency: str) -> None:
    for value in ("599", "$599", 599):
        with pytest.raises(UnknownCurrency):
            parse_price(value, currency)


@pytest.mark.parametrize("value", ["599.99", 599.99, "599 kr", "Rs 599", "599 points"])
def test_a_price_without_a_currency_is_an_error(value: object) -> None:
    with pytest.raises(UnknownCurrency):
        parse_price(value)


@pytest.mark.parametrize(
    ("value", "currency"), [("599 €", "USD"), ("£599", "EUR"), ("599 zł", "EUR"), ("EUR 599", "USD"), ("599 kr", "EUR")]
)
def test_two_currencies_for_one_price(value: str, currency: str) -> None:
    with pytest.raises(AmbiguousPrice, match="two currencies"):
        parse_price(value, currency)


def test_no_price_is_none_whatever_the_currency() -> None:
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
def test_shipping(value: object, amount: str | None) -> None:
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
def test_countries(host: str, language: str | None, country: str) -> None:
    assert infer_country(host, language) == country


AMOUNTS = st.decimals(0, 9_999_999, places=2, allow_nan=False, allow_infinity=False)


@given(
    AMOUNTS, st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u202f", ","), ("", "."), ("", ",")])
)
def test_what_was_written_is_read(amount: Decimal, signs: tuple[str, str]) -> None:
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
def test_anything_is_read_or_refused(value: object, currency: object, country: str) -> None:
    try:
        found = parse_price(value, currency, country)
    except ExtractionError:
        return
    assert found is None or (0 <= found.amount < 10**10 and found.currency in CURRENCY_CODES)
