"""An offer, as one page describes it, and the functions that clean its values."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

from app.db.tables import Condition, ListingFlag, ListingStatus

MAX_TITLE_LENGTH = 500  # characters
MAX_FIELD_LENGTH = 200  # of a seller, an item id, a brand or a specification
MAX_STORED_URL_LENGTH = 2048
MAX_IMAGES = 20
MAX_SPECS = 60

# Marketplace -> the suffixes of its domains. The country sites of eBay share their item ids; other country sites are
# marketplaces of their own, named after their host. The list is closed: with any suffix, the owner of a domain like
# ebay.example could change the listings of the real marketplace.
MARKETPLACE_DOMAINS = {
    "ebay": (
        "com", "co.uk", "de", "fr", "it", "es", "com.au", "ca", "at", "ch", "be", "ie", "nl", "pl", "com.hk", "com.sg",
        "com.my", "ph",
    ),
    "amazon": ("com",),
    "newegg": ("com",),
    "backmarket": ("com",),
}  # fmt: skip
MARKETPLACE_BY_DOMAIN = {
    f".{name}.{suffix}": name for name, suffixes in MARKETPLACE_DOMAINS.items() for suffix in suffixes
}
COUNTRY_SITE = re.compile(r"(amazon|newegg|backmarket)\.(?:com?\.)?[a-z]{2}")
ITEM_ID_PATTERNS = {
    "ebay": re.compile(r"/itm/(?:[^/]+/)?([0-9]{9,15})(?:[/?]|$)"),
    "amazon": re.compile(r"/(?:dp|gp/product|gp/aw/d)/([A-Z0-9]{10})(?:[/?]|$)"),
    "newegg": re.compile(r"/p/([A-Z0-9-]{8,25})(?:[/?]|$)"),
}
# Lower-case names of the specifications that pages use for the CPU, memory and storage.
CPU_SPEC_NAMES = ("processor", "cpu", "processor model", "cpu model", "processor type", "prozessor", "processeur")
MEMORY_SPEC_NAMES = (
    "ram size", "ram", "memory", "installed ram", "memory size", "ram memory installed size", "system memory",
    "arbeitsspeicher", "m\u00e9moire",
)  # fmt: skip
STORAGE_SPEC_NAMES = (
    "ssd capacity", "storage", "storage capacity", "hard drive capacity", "hard drive", "hard disk size", "ssd",
    "hard drive size", "festplatte", "speicherkapazit\u00e4t", "stockage",
)  # fmt: skip

HTML_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")


class Quality(StrEnum):
    """Completeness of an offer. FULL: a price and at least four of condition, CPU, memory, storage and images."""

    FULL = "full"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Offer:
    """One offer. Texts are clean (see `clean_text`); URLs are http or https.

    `price` and `shipping` are in `currency`, an ISO 4217 code; None means unknown, not free.
    `cpu`, `memory` and `storage` are specifications of the page; the title may contain more.
    `specs` maps names to values, as on the page. `source` is the name of the adapter that read the offer.
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
    flags: frozenset[ListingFlag] = frozenset()

    def __post_init__(self) -> None:
        assert self.title
        assert (self.price is None) == (self.currency is None)
        assert self.price is not None or self.shipping is None

    @property
    def quality(self) -> Quality:
        """Completeness. Values from the title count if the caller has copied them to `cpu`, `memory` and `storage`."""
        details = (self.condition is not Condition.UNKNOWN, self.cpu, self.memory, self.storage, self.images)
        is_full = self.price is not None and sum(map(bool, details)) >= 4
        return Quality.FULL if is_full else Quality.PARTIAL

    @property
    def is_active_price(self) -> bool:
        """Whether the price may count for price targets: it is the price of one working item that is for sale."""
        return (
            self.price is not None
            and self.status is ListingStatus.ACTIVE
            and self.condition is not Condition.FOR_PARTS
            and not self.flags
        )


def fill_gaps(offer: Offer, other: Offer) -> Offer:
    """Return the offer with missing values from another offer of the same page.

    Price, currency and shipping are taken together.
    """
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


def clean_text(value: object, max_length: int = MAX_FIELD_LENGTH) -> str | None:
    """Return a value of a page as clean text, None if no text is left.

    Clean text is one line of at most `max_length` characters, without markup and control characters.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = html.unescape(str(value)[: max_length * 4])
    text = HTML_TAG.sub(" ", text) if "<" in text else text
    # Characters that are not printable: control characters, surrogates (which PostgreSQL cannot store), characters that
    # reverse the writing direction, and all spaces except U+0020.
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())[:max_length].strip() or None


def resolve_url(value: object, base: str) -> str | None:
    """Return an absolute http or https URL for a link on the page `base`, None if it is not a valid one."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        url = urljoin(base, value.strip())
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    is_plain = url.isprintable() and " " not in url and "\\" not in url and "@" not in parts.netloc
    return (
        url if parts.scheme in {"http", "https"} and host and is_plain and len(url) <= MAX_STORED_URL_LENGTH else None
    )


def choose_offer_url(value: object, page_url: str) -> str:
    """Return the offer's own URL if it is on the page's host, else the page's, without a fragment."""
    url = resolve_url(value, page_url)
    if url is None or _host(url) != _host(page_url):
        url = page_url
    return url.partition("#")[0]


def resolve_urls(values: Iterable[object], base: str) -> tuple[str, ...]:
    """Return the distinct valid URLs among the links on the page `base`, at most MAX_IMAGES."""
    urls = dict.fromkeys(url for value in values if (url := resolve_url(value, base)) is not None)
    return tuple(urls)[:MAX_IMAGES]


def marketplace_from_url(url: str) -> str:
    """Return the name of the marketplace of a URL: a key of MARKETPLACE_DOMAINS, else the host name."""
    host = _host(url)
    return next((name for domain, name in MARKETPLACE_BY_DOMAIN.items() if f".{host}".endswith(domain)), host)


def item_id_from_url(url: str) -> str | None:
    """Return the marketplace's item id in a URL, None if its URLs have none."""
    name = marketplace_from_url(url)
    country = COUNTRY_SITE.fullmatch(name)
    pattern = ITEM_ID_PATTERNS.get(country[1] if country else name)
    match = pattern.search(url) if pattern else None
    return match[1] if match else None


def find_spec(specs: Mapping[str, str], names: Iterable[str]) -> str | None:
    """Return the value of the first of these (lower-case) names among the specifications, else None."""
    by_name = {name.lower(): value for name, value in specs.items()}
    return next((by_name[name] for name in names if name in by_name), None)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")
