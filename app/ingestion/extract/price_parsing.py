"""Prices as people and programs write them. What can be read in two ways is refused: a wrong price is worse than none.

price-parser reads the numbers; which separator is the decimal one, and whether it is one number at all, is decided
here, because it must not be guessed: "1.299,00 €", "599,99", "1'299", "1 299.00", "1,29,999" and "35€99" are clear,
"99 79" and "$10 - $20" are not.
"""

# ruff: noqa: RUF001 - some currencies are written in other scripts

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from price_parser import Price

from app.ingestion.fetch.errors import CurrencyUnknown, PriceUnclear
from app.valuation.currencies import CURRENCIES

CODES = frozenset(CURRENCIES.split())
LARGEST = Decimal(10) ** 10  # NUMERIC(12, 2) holds less
LONGEST = 200  # characters
CENT = Decimal("0.01")
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})

# Symbol -> ISO 4217, in lower case. A bare dollar is America's unless the page is of a country with its own.
SYMBOLS = {
    "$": "USD", "us$": "USD", "us $": "USD", "usd$": "USD", "€": "EUR", "euro": "EUR", "£": "GBP", "a$": "AUD",
    "au$": "AUD", "c$": "CAD", "ca$": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD", "nt$": "TWD", "mx$": "MXN",
    "r$": "BRL", "cn¥": "CNY", "zł": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN",
    "₽": "RUB", "руб": "RUB", "руб.": "RUB", "₴": "UAH", "грн": "UAH", "грн.": "UAH", "₺": "TRY", "tl": "TRY",
    "₹": "INR", "₩": "KRW", "₫": "VND", "₱": "PHP", "฿": "THB", "₪": "ILS", "₸": "KZT", "rp": "IDR", "rm": "MYR",
    "sfr": "CHF", "fr.": "CHF", "chf": "CHF", "₦": "NGN", "円": "JPY", "元": "CNY",
}  # fmt: skip
# Symbols that several countries share: by country, "" when it says nothing.
SHARED = {
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

SAME = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "`": "'", "\u00b4": "'", "\u066b": ".", "\u066c": ",", "\u2212": "-"}
)
PERCENT = re.compile(r"[-+]?\d+(?:[.,]\d+)?\s?%")
DASHES = re.compile(r"(?<=\d)[.,][-\u2013\u2014]{1,2}")  # 599,- is 599
EURO_POINT = re.compile(r"(?<=\d)€(?=\d\d(?!\d))")  # 35€99 is 35.99
LEADING_POINT = re.compile(r"(?<![\d.,])\.(?=\d)")
NUMBER = re.compile(r"\d+(?:[.,' ]\d+)*")
NEGATIVE = re.compile(r"^\D*-\s?(?:[^\s\d]{1,4}\s?)?\d")
FREE = re.compile(r"\b(?:free|gratis|kostenlos(?:er)?|gratuite?|included)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Money:
    """An amount, rounded to cents, and its ISO 4217 code."""

    amount: Decimal
    currency: str


def money(value: object, currency: object = None, country: str = "") -> Money | None:
    """A price out of what a page has: a number or a text, and its currency apart when it is told apart.

    None when there is no price. Raises PriceUnclear and CurrencyUnknown; a currency is never assumed.
    """
    symbol = None
    if isinstance(value, str):
        symbol = Price.fromstring(value[:LONGEST]).currency
    told = currency.strip() if isinstance(currency, str) else ""
    code = iso_code(told, country) if told else None
    amount = parse_amount(value, code)
    if amount is None:
        return None
    if code is None:
        if symbol is None:
            raise CurrencyUnknown("The page tells a price, but not its currency.")
        code = iso_code(symbol, country)
    elif symbol is not None and _contradicts(symbol, code):
        raise PriceUnclear("The page tells two currencies for one price.")
    if parse_amount(value, code) != amount:  # the code decides how 12.500 is read
        amount = parse_amount(value, code)
        assert amount is not None
    return Money(amount, code)


def iso_code(text: str, country: str = "") -> str:
    """The ISO 4217 code that a code or a symbol means on a page of a country. Raises CurrencyUnknown."""
    word = unicodedata.normalize("NFC", " ".join(text.split()))[:40]
    if word.upper() in CODES:
        return word.upper()
    shared = SHARED.get(word.lower())
    code = shared.get(country, shared.get("")) if shared is not None else SYMBOLS.get(word.lower())
    if code is None:
        shown = "".join(character for character in word if character.isprintable())
        raise CurrencyUnknown(f'"{shown}" is no currency of ISO 4217.')
    return code


def parse_amount(value: object, currency: str | None = None) -> Decimal | None:
    """The amount in a number or a text; None when there is none. Raises PriceUnclear."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        return _checked(Decimal(str(value)) if isinstance(value, float) else Decimal(value))
    if not isinstance(value, str):
        return None
    text = _normalized(value)
    tokens = NUMBER.findall(text)
    if not tokens:
        return None
    if NEGATIVE.search(text):
        raise PriceUnclear("The price is negative.")
    amounts = {_number(token, currency) for token in tokens[:10]}
    if len(amounts) > 1:
        raise PriceUnclear("The page tells several prices at once.")
    return _checked(amounts.pop())


def shipping_amount(value: object, currency: str | None = None) -> Decimal | None:
    """Like `parse_amount`, but "free" is 0, and what is unclear is not known."""
    if isinstance(value, str) and FREE.search(value[:LONGEST]) and not NUMBER.search(value[:LONGEST]):
        return Decimal(0)
    try:
        return parse_amount(value, currency)
    except PriceUnclear:
        return None


def country_of(host: str, language: str | None) -> str:
    """The country of a page, ISO 3166 in capitals, by its host's ending or else its language tag; "" when unknown."""
    ending = host.rpartition(".")[2]
    if len(ending) == 2 and ending.isalpha() and ending not in {"eu", "io", "co", "me", "tv", "ai", "gg"}:
        return {"uk": "GB"}.get(ending, ending.upper())
    match = re.fullmatch(r"[A-Za-z]{2,3}[-_]([A-Za-z]{2})", (language or "").strip())
    return match[1].upper() if match else ""


def _normalized(value: str) -> str:
    if len(value) > LONGEST:
        raise PriceUnclear("The price is a whole text.")
    text = " ".join(unicodedata.normalize("NFKC", value).translate(SAME).split())
    text = PERCENT.sub(" ", text)
    text = DASHES.sub("", text)
    text = EURO_POINT.sub("," if "." in text else ".", text)
    return LEADING_POINT.sub("0.", text)


def _number(token: str, currency: str | None) -> Decimal:
    """The value of digits with separators among them."""
    decimal = _decimal_separator(token, currency)
    # Any other sign than the one in the text makes price-parser take what is there for thousands.
    read = Price.fromstring(token, decimal_separator=decimal or ("," if "." in token else "."))
    if read.amount is None:
        raise PriceUnclear("The price is no number.")
    return read.amount


def _decimal_separator(token: str, currency: str | None) -> str | None:
    """The decimal separator in it, None when there is none. Raises PriceUnclear when it is not one proper number."""
    groups: list[str] = re.split(r"[.,' ]", token)
    signs: list[str] = re.findall(r"[.,' ]", token)
    if not signs:
        return None
    if len(set(signs)) == 1 and (len(signs) > 1 or not _is_decimal(groups, signs[0], currency)):
        _check_thousands(groups, signs[0])
        return None
    if signs[-1] not in ".," or signs[-1] in signs[:-1] or len(set(signs)) > 2:
        raise PriceUnclear("The price is no proper number.")
    if len(signs) > 1:
        _check_thousands(groups[:-1], signs[0])
    return signs[-1]


def _is_decimal(groups: list[str], sign: str, currency: str | None) -> bool:
    """Whether the only separator in a number is the decimal one: three digits after it are thousands if they can be."""
    whole, rest = groups
    if sign not in ".,":
        return False
    may_be_thousands = len(rest) == 3 and len(whole) <= 3 and not whole.startswith("0")
    return not may_be_thousands or currency in THREE_DECIMALS


def _check_thousands(groups: list[str], sign: str) -> None:
    first, *middle, last = groups
    is_usual = len(first) <= 3 and all(len(group) == 3 for group in (*middle, last))
    is_indian = sign == "," and len(first) <= 2 and all(len(group) == 2 for group in middle) and len(last) == 3
    if first.startswith("0") or not (is_usual or is_indian):
        raise PriceUnclear("The price is no proper number.")


def _checked(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount < 0 or amount >= LARGEST - 1:
        raise PriceUnclear("The price is no amount that anybody pays.")
    return amount.quantize(CENT, ROUND_HALF_UP)


def _contradicts(symbol: str, code: str) -> bool:
    """Whether a symbol in the text cannot stand for the code that is told beside it."""
    word = symbol.lower()
    if word in SHARED:
        return code not in SHARED[word].values() and code in SYMBOLS.values()  # which has a symbol of its own
    meant = SYMBOLS.get(word) or (symbol.upper() if symbol.upper() in CODES else None)
    return meant is not None and meant != code
