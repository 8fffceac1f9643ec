"""What somebody offers, as one page tells it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

from app.db.tables import Condition, ListingFlag, ListingStatus

LONGEST_TITLE = 500  # characters
LONGEST_WORD = 200  # of a seller, an id, a brand, a specification
LONGEST_URL = 2048
MOST_IMAGES = 20
MOST_SPECS = 60

# Marketplace -> the endings of its hosts. eBay's country sites share their item ids; of others each is one of its own,
# called by its host. No other ending counts: who owned such a host could change the offers of the real marketplace.
MARKETPLACES = {
    "ebay": (
        "com", "co.uk", "de", "fr", "it", "es", "com.au", "ca", "at", "ch", "be", "ie", "nl", "pl", "com.hk", "com.sg",
        "com.my", "ph",
    ),
    "amazon": ("com",),
    "newegg": ("com",),
    "backmarket": ("com",),
}  # fmt: skip
HOSTS = {f".{name}.{ending}": name for name, endings in MARKETPLACES.items() for ending in endings}
COUNTRY_SITE = re.compile(r"(amazon|newegg|backmarket)\.(?:com?\.)?[a-z]{2}")
ITEM_IDS = {
    "ebay": re.compile(r"/itm/(?:[^/]+/)?([0-9]{9,15})(?:[/?]|$)"),
    "amazon": re.compile(r"/(?:dp|gp/product|gp/aw/d)/([A-Z0-9]{10})(?:[/?]|$)"),
    "newegg": re.compile(r"/p/([A-Z0-9-]{8,25})(?:[/?]|$)"),
}
# Names under which pages have what is of interest here, in lower case.
CPU_SPECS = ("processor", "cpu", "processor model", "cpu model", "processor type", "prozessor", "processeur")
MEMORY_SPECS = (
    "ram size", "ram", "memory", "installed ram", "memory size", "ram memory installed size", "system memory",
    "arbeitsspeicher", "m\u00e9moire",
)  # fmt: skip
STORAGE_SPECS = (
    "ssd capacity", "storage", "storage capacity", "hard drive capacity", "hard drive", "hard disk size", "ssd",
    "hard drive size", "festplatte", "speicherkapazit\u00e4t", "stockage",
)  # fmt: skip

TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")


# Why the price of an offer is not the price of one thing that can be bought.
Flag = ListingFlag


class Quality(StrEnum):
    """How much a page told: FULL is a price and at least four of {condition, CPU, RAM, storage, images}."""

    FULL = "full"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Offer:
    """One offer. Texts are clean (one line, no markup, no control characters, of bounded length), URLs http or https.

    `price` and `shipping` are in `currency`, an ISO 4217 code; None means that the page did not tell, never free.
    `cpu`, `memory` and `storage` are what the page itself calls so; the title may tell more.
    `specs`: name -> value, as on the page. `source` is the name of the adapter that read it.
    """

    title: str
    url: str
    marketplace: str
    source: str
    price: Decimal | None = None
    currency: str | None = None
    shipping: Decimal | None = None
    condition: Condition = Condition.UNKNOWN
    status: ListingStatus = ListingStatus.ACTIVE
    seller: str | None = None
    vendor_item_id: str | None = None
    brand: str | None = None
    mpn: str | None = None
    gtin: str | None = None
    images: tuple[str, ...] = ()
    cpu: str | None = None
    memory: str | None = None
    storage: str | None = None
    specs: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[Flag] = frozenset()

    def __post_init__(self) -> None:
        assert self.title
        assert (self.price is None) == (self.currency is None)
        assert self.price is not None or self.shipping is None

    @property
    def quality(self) -> Quality:
        """See Quality. To count what the title told, put it into `cpu`, `memory` and `storage` first."""
        known = (self.condition is not Condition.UNKNOWN, self.cpu, self.memory, self.storage, self.images)
        is_full = self.price is not None and sum(map(bool, known)) >= 4
        return Quality.FULL if is_full else Quality.PARTIAL

    @property
    def is_active_price(self) -> bool:
        """Whether the price may take part in price targets: one working thing that can be bought now."""
        return (
            self.price is not None
            and self.status is ListingStatus.ACTIVE
            and self.condition is not Condition.FOR_PARTS
            and not self.flags
        )


def completed(offer: Offer, other: Offer) -> Offer:
    """The offer, with what it lacks taken from another reading of the same page. Price and currency stay together."""
    gaps = {
        name: getattr(other, name)
        for name in ("seller", "vendor_item_id", "brand", "mpn", "gtin", "images", "cpu", "memory", "storage", "specs")
        if not getattr(offer, name)
    }
    if offer.price is None:
        gaps |= {"price": other.price, "currency": other.currency, "shipping": other.shipping}
    if offer.condition is Condition.UNKNOWN:
        gaps["condition"] = other.condition
    return replace(offer, **gaps, flags=offer.flags | other.flags)


def clean(value: object, longest: int = LONGEST_WORD) -> str | None:
    """Text for a person out of whatever a page has: None when nothing is left."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = html.unescape(str(value)[: longest * 4])
    text = TAG.sub(" ", text) if "<" in text else text
    # Not printable: control characters, halves of surrogate pairs (PostgreSQL cannot store some of these), characters
    # that turn the text around, and every space but the plain one.
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())[:longest].strip() or None


def web_url(value: object, base: str) -> str | None:
    """An absolute http or https URL, None for anything else."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        url = urljoin(base, value.strip())
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    is_plain = url.isprintable() and " " not in url and "\\" not in url and "@" not in parts.netloc
    return url if parts.scheme in {"http", "https"} and host and is_plain and len(url) <= LONGEST_URL else None


def offer_url(value: object, page_url: str) -> str:
    """The offer's own URL when it is on the page's host, else the page's; neither has a fragment."""
    own = web_url(value, page_url)
    same_host = own is not None and _host(own) == _host(page_url)
    return (own if own is not None and same_host else page_url).partition("#")[0]


def web_urls(values: Iterable[object], base: str) -> tuple[str, ...]:
    """The URLs among the values, each once."""
    found = dict.fromkeys(url for value in values if (url := web_url(value, base)) is not None)
    return tuple(found)[:MOST_IMAGES]


def marketplace_of(url: str) -> str:
    """The name of the marketplace that a URL is of, or its host where that has no name here."""
    host = _host(url)
    return next((name for ending, name in HOSTS.items() if f".{host}".endswith(ending)), host)


def item_id_of(url: str) -> str | None:
    """The marketplace's own id of the offer, where its URLs have one."""
    name = marketplace_of(url)
    country = COUNTRY_SITE.fullmatch(name)
    pattern = ITEM_IDS.get(country[1] if country else name)
    match = pattern.search(url) if pattern else None
    return match[1] if match else None


def named_spec(specs: Mapping[str, str], names: Iterable[str]) -> str | None:
    """The value of the first of these names that a page has."""
    by_name = {name.lower(): value for name, value in specs.items()}
    return next((by_name[name] for name in names if name in by_name), None)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")
