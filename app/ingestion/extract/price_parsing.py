"""Parse prices as people and programs write them. An ambiguous price is an error: a wrong price is worse than none.

price-parser reads the digits. This module decides which separator is the decimal one, and whether the text is a single
number, because guesses are not acceptable: "1.299,00 €", "599,99", "1'299", "1 299.00", "1,29,999" and "35€99" are
clear, "99 79" and "$10 - $20" are not.
"""

# ruff: noqa: RUF001 - some currency symbols are not Latin

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from price_parser import Price

from app.ingestion.fetch.errors import AmbiguousPrice, UnknownCurrency
from app.valuation.currencies import CURRENCIES

CURRENCY_CODES = frozenset(CURRENCIES.split())
AMOUNT_LIMIT = Decimal(10) ** 10  # NUMERIC(12, 2) holds smaller amounts only
MAX_PRICE_LENGTH = 200  # characters
CENT = Decimal("0.01")
THREE_DECIMAL_CURRENCIES = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})

# Lower-case symbol -> ISO 4217 code. "$" is the US dollar unless the country of the page has a dollar of its own.
CURRENCY_SYMBOLS = {
    "$": "USD", "us$": "USD", "us $": "USD", "usd$": "USD", "€": "EUR", "euro": "EUR", "£": "GBP", "a$": "AUD",
    "au$": "AUD", "c$": "CAD", "ca$": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD", "nt$": "TWD", "mx$": "MXN",
    "r$": "BRL", "cn¥": "CNY", "zł": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN",
    "₽": "RUB", "руб": "RUB", "руб.": "RUB", "₴": "UAH", "грн": "UAH", "грн.": "UAH", "₺": "TRY", "tl": "TRY",
    "₹": "INR", "₩": "KRW", "₫": "VND", "₱": "PHP", "฿": "THB", "₪": "ILS", "₸": "KZT", "rp": "IDR", "rm": "MYR",
    "sfr": "CHF", "fr.": "CHF", "chf": "CHF", "₦": "NGN", "円": "JPY", "元": "CNY",
}  # fmt: skip
# Symbols that several countries use -> country -> code. The key "" is for pages without a known country.
SHARED_SYMBOLS = {
    "$": {"": "USD", "US": "USD", "CA": "CAD", "AU": "AUD", "NZ": "NZD", "SG": "SGD", "HK": "HKD", "TW": "TWD",
          "MX": "MXN", "AR": "ARS", "CL": "CLP", "CO": "COP"},
    "¥": {"": "JPY", "JP": "JPY", "CN": "CNY"},
    "￥": {"": "JPY", "JP": "JPY", "CN": "CNY"},
    "£": {"": "GBP", "EG": "EGP"},
    "kr": {"SE": "SEK", "NO": "NOK", "DK": "DKK", "IS": "ISK"},
    "kr.": {"SE": "SEK", "NO": "NOK", "DK": "DKK", "IS": "ISK"},
    "rs": {"IN": "INR", "PK": "PKR", "LK": "LKR", "NP": "NPR"},
    "rs.": {"IN": "INR", "PK": "PKR", "LK": "LKR", "NP": "NPR"},
    "₨": {"IN": "INR", "PK": "PKR", "LK": "LKR", "NP": "NPR"},
    "r": {"ZA": "ZAR"},
}  # fmt: skip

EQUIVALENT_CHARACTERS = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "`": "'", "\u00b4": "'", "\u066b": ".", "\u066c": ",", "\u2212": "-"}
)
PERCENTAGE = re.compile(r"[-+]?\d+(?:[.,]\d+)?\s?%")
DASH_CENTS = re.compile(r"(?<=\d)[.,][-\u2013\u2014]{1,2}")  # 599,- is 599
EURO_AS_POINT = re.compile(r"(?<=\d)€(?=\d\d(?!\d))")  # 35€99 is 35.99
LEADING_POINT = re.compile(r"(?<![\d.,])\.(?=\d)")
NUMBER = re.compile(r"\d+(?:[.,' ]\d+)*")
NEGATIVE = re.compile(r"^\D*-\s?(?:[^\s\d]{1,4}\s?)?\d")
FREE = re.compile(r"\b(?:free|gratis|kostenlos(?:er)?|gratuite?|included)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Money:
    """An amount, rounded to cents, and its ISO 4217 currency code."""

    amount: Decimal
    currency: str


def parse_price(value: object, currency: object = None, country: str = "") -> Money | None:
    """Parse a number or a text, and its currency if the page states it separately.

    Returns None if there is no price. Raises AmbiguousPrice and UnknownCurrency; a missing currency is never assumed.
    """
    symbol = None
    if isinstance(value, str):
        symbol = Price.fromstring(value[:MAX_PRICE_LENGTH]).currency
    stated = currency.strip() if isinstance(currency, str) else ""
    code = parse_currency(stated, country) if stated else None
    amount = parse_amount(value, code)
    if amount is None:
        return None
    if code is None:
        if symbol is None:
            raise UnknownCurrency("The page has a price without a currency.")
        code = parse_currency(symbol, country)
    elif symbol is not None and _contradicts(symbol, code):
        raise AmbiguousPrice("The page has two currencies for one price.")
    if parse_amount(value, code) != amount:  # the meaning of 12.500 depends on the currency
        amount = parse_amount(value, code)
        assert amount is not None
    return Money(amount, code)


def parse_currency(text: str, country: str = "") -> str:
    """Return the ISO 4217 code of a code or symbol on a page of a country. Raises UnknownCurrency."""
    word = unicodedata.normalize("NFC", " ".join(text.split()))[:40]
    if word.upper() in CURRENCY_CODES:
        return word.upper()
    shared = SHARED_SYMBOLS.get(word.lower())
    code = shared.get(country, shared.get("")) if shared is not None else CURRENCY_SYMBOLS.get(word.lower())
    if code is None:
        printable = "".join(character for character in word if character.isprintable())
        raise UnknownCurrency(f'"{printable}" is not an ISO 4217 currency.')
    return code


def parse_amount(value: object, currency: str | None = None) -> Decimal | None:
    """Return the amount in a number or a text, None if there is none. Raises AmbiguousPrice."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        return _check_range(Decimal(str(value)) if isinstance(value, float) else Decimal(value))
    if not isinstance(value, str):
        return None
    text = _normalize(value)
    numbers = NUMBER.findall(text)
    if not numbers:
        return None
    if NEGATIVE.search(text):
        raise AmbiguousPrice("The price is negative.")
    amounts = {_parse_number(number, currency) for number in numbers[:10]}
    if len(amounts) > 1:
        raise AmbiguousPrice("The page has several prices where one is expected.")
    return _check_range(amounts.pop())


def parse_shipping(value: object, currency: str | None = None) -> Decimal | None:
    """Return the amount like `parse_amount`, 0 for "free", and None for an ambiguous text."""
    if isinstance(value, str) and FREE.search(value[:MAX_PRICE_LENGTH]) and not NUMBER.search(value[:MAX_PRICE_LENGTH]):
        return Decimal(0)
    try:
        return parse_amount(value, currency)
    except AmbiguousPrice:
        return None


def infer_country(host: str, language: str | None) -> str:
    """Return the country of a page as an upper-case ISO 3166 code, "" if unknown.

    The top-level domain decides, else the region of the language tag.
    """
    domain = host.rpartition(".")[2]
    if len(domain) == 2 and domain.isalpha() and domain not in {"eu", "io", "co", "me", "tv", "ai", "gg"}:
        return {"uk": "GB"}.get(domain, domain.upper())
    match = re.fullmatch(r"[A-Za-z]{2,3}[-_]([A-Za-z]{2})", (language or "").strip())
    return match[1].upper() if match else ""


def _normalize(value: str) -> str:
    if len(value) > MAX_PRICE_LENGTH:
        raise AmbiguousPrice(f"The text of the price has more than {MAX_PRICE_LENGTH} characters.")
    text = " ".join(unicodedata.normalize("NFKC", value).translate(EQUIVALENT_CHARACTERS).split())
    text = PERCENTAGE.sub(" ", text)
    text = DASH_CENTS.sub("", text)
    text = EURO_AS_POINT.sub("," if "." in text else ".", text)
    return LEADING_POINT.sub("0.", text)


def _parse_number(number: str, currency: str | None) -> Decimal:
    """Return the value of digits with separators."""
    decimal = _decimal_separator(number, currency)
    # If there is no decimal separator, pass one that is not in the text: price-parser then reads the separators in the
    # text as thousands separators.
    price = Price.fromstring(number, decimal_separator=decimal or ("," if "." in number else "."))
    if price.amount is None:
        raise AmbiguousPrice("The price is not a number.")
    return price.amount


def _decimal_separator(number: str, currency: str | None) -> str | None:
    """Return the decimal separator of a number, None if it has none. Raises AmbiguousPrice if it is not well-formed."""
    groups: list[str] = re.split(r"[.,' ]", number)
    separators: list[str] = re.findall(r"[.,' ]", number)
    if not separators:
        return None
    last = separators[-1]
    if len(set(separators)) == 1 and (len(separators) > 1 or not _is_decimal(groups, last, currency)):
        _check_thousands(groups, last)
        return None
    if last not in ".," or last in separators[:-1] or len(set(separators)) > 2:
        raise AmbiguousPrice("The price is not a well-formed number.")
    if len(separators) > 1:
        _check_thousands(groups[:-1], separators[0])
    return last


def _is_decimal(groups: list[str], separator: str, currency: str | None) -> bool:
    """Whether the only separator of a number is the decimal one: three digits after it are thousands where possible."""
    whole, rest = groups
    if separator not in ".,":
        return False
    may_be_thousands = len(rest) == 3 and len(whole) <= 3 and not whole.startswith("0")
    return not may_be_thousands or currency in THREE_DECIMAL_CURRENCIES


def _check_thousands(groups: list[str], separator: str) -> None:
    first, *middle, last = groups
    is_western = len(first) <= 3 and all(len(group) == 3 for group in (*middle, last))
    is_indian = separator == "," and len(first) <= 2 and all(len(group) == 2 for group in middle) and len(last) == 3
    if first.startswith("0") or not (is_western or is_indian):
        raise AmbiguousPrice("The price is not a well-formed number.")


def _check_range(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount < 0 or amount >= AMOUNT_LIMIT - 1:
        raise AmbiguousPrice("The price is out of range.")
    return amount.quantize(CENT, ROUND_HALF_UP)


def _contradicts(symbol: str, code: str) -> bool:
    """Whether a symbol in the text cannot stand for the separately stated code."""
    word = symbol.lower()
    if word in SHARED_SYMBOLS:
        # The code is of another currency only if that currency has a symbol of its own.
        return code not in SHARED_SYMBOLS[word].values() and code in CURRENCY_SYMBOLS.values()
    symbol_code = CURRENCY_SYMBOLS.get(word) or (symbol.upper() if symbol.upper() in CURRENCY_CODES else None)
    return symbol_code is not None and symbol_code != code
