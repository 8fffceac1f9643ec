"""Products and their offers in the vocabulary of schema.org, whatever syntax they were written in.

JSON-LD, microdata and RDFa all become plain nodes first: dictionaries with short names (`name`, not
`http://schema.org/name`), `@type` a list of short names, `@id` as it was. What they mean is then read in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.db.tables import Condition, ListingStatus
from app.ingestion.extract import condition_parsing
from app.ingestion.extract.offer import Offer, clean, web_url
from app.ingestion.extract.offer_builder import Found, country, is_sound, make
from app.ingestion.extract.price_parsing import Money, money
from app.ingestion.fetch.errors import CurrencyUnknown, NotUnderstood, PriceUnclear
from app.ingestion.fetch.page import Page

Node = dict[str, Any]

# Bounds on what one page may make us look at; real pages stay far below.
DEEPEST = 40
MOST_NODES = 20_000
MOST_VALUES = 500  # of one property
MOST_VARIANTS = 100

PRODUCTS = frozenset({"Product", "IndividualProduct", "ProductModel", "SomeProducts", "ProductGroup"})
OFFERS = frozenset({"Offer", "AggregateOffer", "OfferForPurchase"})
# Where a page's own product may be; what is behind other properties (isRelatedTo, itemListElement) is another one.
LEADS_TO_THE_PRODUCT = ("@graph", "mainEntity", "mainEntityOfPage", "about", "hasPart", "itemOffered")
_SEPARATOR = re.compile(r"[/#:]")
LEADS_ELSEWHERE = (
    "isRelatedTo", "isSimilarTo", "isAccessoryOrSparePartFor", "isConsumableFor", "itemListElement", "item",
)  # fmt: skip
# priceType of what is not asked for any more.
FORMER_PRICES = (
    "listprice",
    "msrp",
    "srp",
    "strikethroughprice",
    "regularprice",
    "invoiceprice",
    "minimumadvertisedprice",
)


def read_products(page: Page, source: str, items: Iterable[Any]) -> Sequence[Offer]:
    """The offers of the page's own product: one, or one per variant, the cheapest that can be bought first.

    Raises NotUnderstood when several products claim to be the page's, or its only price is unclear.
    """
    graph = Graph(items)
    chosen = _page_product(page, graph)
    if chosen is None:
        return ()
    variants = graph.variants(chosen) if "ProductGroup" in chosen["@type"] else []
    if not variants:
        offer = _offer_of(page, source, graph, chosen, None)
        return () if offer is None else (offer,)
    named = [node for node in variants if _is_page(page, graph, node, with_query=True)]
    read = [_offer_of(page, source, graph, node, chosen) for node in (named if len(named) == 1 else variants)]
    found = [offer for offer in read if offer is not None]
    return sorted(found, key=lambda offer: (not is_sound(offer), offer.price is None, offer.price or 0))


class Graph:
    """The nodes of a page. References (`{"@id": ...}`) are followed one step at a time, so circles do no harm."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._left = MOST_NODES
        self._by_id: dict[str, Node] = {}
        self.roots = [node for item in items if isinstance(node := self._plain(item, 0), dict)]

    def many(self, node: Node, name: str) -> list[Any]:
        """The values of a property, references followed."""
        value = node.get(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [self._followed(one) for one in values]

    def one(self, node: Node, *names: str) -> Any:
        """The first value of the first of these properties that has one."""
        return next((value for name in names for value in self.many(node, name) if value not in ("", None)), None)

    def text(self, node: Node, *names: str) -> Any:
        """Like `one`, but the name of a thing instead of the thing."""
        value = self.one(node, *names)
        if isinstance(value, dict):
            value = self.one(value, "name", "value", "@id")
        return None if isinstance(value, (dict, list)) else value

    def products(self) -> list[Node]:
        """The products that are the page's own by where they stand."""
        elsewhere = {id(node) for node in self._elsewhere()}
        found: dict[int, Node] = {}
        waiting: list[Any] = list(reversed(self.roots))
        seen = set[int]()
        while waiting:
            node = waiting.pop()
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            if PRODUCTS.intersection(node["@type"]):
                found[id(node)] = node
            elif OFFERS.intersection(node["@type"]) and isinstance(product := self.one(node, "itemOffered"), dict):
                found[id(product)] = {**product, "offers": product.get("offers", node)}
            else:
                waiting += reversed([value for name in LEADS_TO_THE_PRODUCT for value in self.many(node, name)])
        return [node for key, node in found.items() if key not in elsewhere]

    def variants(self, group: Node) -> list[Node]:
        """The products of a group: those that it names, and those that name it."""
        named = [node for node in self.many(group, "hasVariant") if isinstance(node, dict)]
        naming = [node for node in self.roots_and_graphs() if group in self.many(node, "isVariantOf")]
        return list({id(node): node for node in named + naming}.values())[:MOST_VARIANTS]

    def roots_and_graphs(self) -> Iterator[Node]:
        """The nodes on the first two levels, where flattened pages have all of theirs."""
        for root in self.roots:
            yield root
            yield from (node for node in self.many(root, "@graph") if isinstance(node, dict))

    def _elsewhere(self) -> Iterator[Node]:
        for node in self._by_id.values():
            for name in (*LEADS_ELSEWHERE, "hasVariant"):
                yield from (value for value in self.many(node, name) if isinstance(value, dict))

    def _followed(self, value: Any) -> Any:
        if isinstance(value, dict) and len(value) <= 2 and isinstance(value.get("@id"), str):
            return self._by_id.get(value["@id"], value)
        return value

    def _plain(self, value: Any, depth: int) -> Any:
        """A copy with short names and bounded size; None for what is beyond."""
        if depth > DEEPEST or self._left <= 0:
            return None
        self._left -= 1
        if isinstance(value, list):
            return [self._plain(one, depth + 1) for one in value[:MOST_VALUES]]
        if not isinstance(value, dict):
            return value
        if "@value" in value:
            return self._plain(value["@value"], depth + 1)
        node: Node = {"@type": [], "@id": None}
        for name, one in list(value.items())[:MOST_VALUES]:
            short = name if name in {"@id", "@graph"} else _short(name)
            if short in {"type", "@type"}:
                node["@type"] = [_short(kind) for kind in (one if isinstance(one, list) else [one])[:20]]
            elif short not in node or node[short] is None:
                node[short] = self._plain(one, depth + 1)
        if isinstance(node["@id"], str):
            known = self._by_id.setdefault(node["@id"], node)
            if len(known) < len(node):  # the description, where a mere reference came first
                self._by_id[node["@id"]] = node
        else:
            self._by_id[f"\0{len(self._by_id)}"] = node  # nobody refers to it, but it is one of the nodes
        return node


def _page_product(page: Page, graph: Graph) -> Node | None:
    """The one product that the page is about. Raises NotUnderstood when it does not say which one that is."""
    products = graph.products()
    groups = [node for node in products if "ProductGroup" in node["@type"]]
    members = {id(variant) for group in groups for variant in graph.variants(group)}
    products = [node for node in products if id(node) not in members]
    candidates = _distinct(graph, products)
    if len(candidates) > 1:
        candidates = [node for node in candidates if _is_page(page, graph, node, with_query=False)] or candidates
    if len(candidates) > 1:
        candidates = [node for node in candidates if _is_heading(page, graph, node)] or candidates
    if len(candidates) > 1:
        raise NotUnderstood(f"The page has {len(candidates)} products and does not say which one it is about.")
    return candidates[0] if candidates else None


def _distinct(graph: Graph, products: list[Node]) -> list[Node]:
    """Of descriptions of the same thing the first one that has offers."""
    by_name: dict[object, Node] = {}
    for node in products:
        name = _letters(clean(graph.text(node, "name"))) or id(node)
        if name not in by_name or ("offers" not in by_name[name] and "offers" in node):
            by_name[name] = node
    return list(by_name.values())


def _is_page(page: Page, graph: Graph, node: Node, *, with_query: bool) -> bool:
    offers = [offer for offer in graph.many(node, "offers") if isinstance(offer, dict)]
    urls = [graph.text(node, "url"), *(graph.text(offer, "url") for offer in offers[:1])]
    if not with_query:  # ids of variants differ behind the #
        urls += [node["@id"], graph.text(node, "mainEntityOfPage")]
    urls = [url for url in urls if not str(url).startswith("#")]
    own = {_place(page.url, with_query), _place(page.asked or page.url, with_query)}
    return any(_place(url, with_query) in own for value in urls if (url := web_url(value, page.url)))


def _place(url: str, with_query: bool) -> tuple[str, ...]:
    parts = urlsplit(url)
    place = ((parts.hostname or "").removeprefix("www."), parts.path.rstrip("/"))
    return (*place, parts.query) if with_query else place


def _is_heading(page: Page, graph: Graph, node: Node) -> bool:
    name = _letters(clean(graph.text(node, "name")))
    headings = page.tree.xpath("//h1 | //meta[@property='og:title']/@content | //head/title")[:10]
    texts = [one if isinstance(one, str) else one.text_content() for one in headings]
    return bool(name) and any(_letters(clean(text)) == name for text in texts)


def _letters(text: str | None) -> str:
    return "".join(character for character in (text or "").lower() if character.isalnum())


@dataclass(frozen=True)
class _Terms:
    """One offer of a product."""

    node: Node
    money: Money | None
    status: ListingStatus
    condition: object


def _offer_of(page: Page, source: str, graph: Graph, product: Node, group: Node | None) -> Offer | None:
    """The product with its best offer; what it does not say itself is its group's. Raises like `money`."""
    whole = (
        {**group, **{name: value for name, value in product.items() if value not in (None, "", [])}}
        if group
        else product
    )
    terms = _best(page, graph, whole)
    offer = terms.node if terms else {}
    return make(
        page,
        source,
        Found(
            title=graph.text(whole, "name"),
            money=terms.money if terms else None,
            shipping=_shipping(graph, offer, terms.money.currency) if terms and terms.money else None,
            condition=terms.condition if terms else graph.text(whole, "itemCondition", "condition"),
            status=terms.status if terms else ListingStatus.ACTIVE,
            seller=graph.text(offer, "seller", "offeredBy") or graph.text(whole, "seller"),
            item_id=graph.text(whole, "sku") or graph.text(offer, "sku") or graph.text(whole, "productID"),
            url=graph.text(offer, "url") or graph.text(whole, "url"),
            brand=graph.text(whole, "brand", "manufacturer"),
            mpn=graph.text(whole, "mpn", "model"),
            gtin=graph.text(whole, "gtin13", "gtin", "gtin12", "gtin14", "gtin8", "isbn"),
            images=list(_images(graph, whole)),
            specs=list(_specs(graph, whole)),
        ),
    )


def _best(page: Page, graph: Graph, product: Node) -> _Terms | None:
    """The cheapest offer that can be bought; in prices of several currencies the numbers alone are compared."""
    read, faults = list[_Terms](), list[NotUnderstood]()
    place = country(page)
    nodes = list(_offer_nodes(graph, product))
    for node in nodes[:MOST_VALUES]:
        try:
            price = _price(graph, node, place)
        except (PriceUnclear, CurrencyUnknown) as fault:
            faults.append(fault)
            continue
        condition = graph.text(node, "itemCondition") or graph.text(product, "itemCondition")
        read.append(_Terms(node, price, condition_parsing.status(graph.text(node, "availability")), condition))
    if faults and not any(terms.money for terms in read):
        raise faults[0]
    return min(read, key=_preference, default=None)


def _preference(terms: _Terms) -> tuple[bool, bool, bool, object]:
    can_be_bought = terms.status is ListingStatus.ACTIVE
    is_broken = condition_parsing.declared_condition(terms.condition) is Condition.FOR_PARTS
    return (not can_be_bought, is_broken, terms.money is None, terms.money.amount if terms.money else 0)


def _offer_nodes(graph: Graph, product: Node) -> Iterator[Node]:
    """The offers of a product. An aggregate stands for those that it lists; for its lowest price if it lists none."""
    nodes = [node for node in graph.many(product, "offers") if isinstance(node, dict)]
    for node in nodes:
        listed = [one for one in graph.many(node, "offers") if isinstance(one, dict)]
        priced = [one for one in listed if one.keys() & {"price", "priceSpecification", "lowPrice"}]
        yield from ({**_inherited(node), **one} for one in priced)
        if not priced:
            yield node
    if not nodes and product.keys() & {"price", "lowPrice"}:
        yield product  # some pages do without the offer


def _inherited(aggregate: Node) -> Node:
    return {name: aggregate[name] for name in ("priceCurrency", "seller", "itemCondition") if name in aggregate}


def _price(graph: Graph, node: Node, place: str) -> Money | None:
    currency = graph.text(node, "priceCurrency", "currency")
    if "AggregateOffer" in node["@type"] or "price" not in node:
        lowest = money(graph.text(node, "lowPrice"), currency, place)
        if lowest is not None:
            return lowest
    price = money(graph.text(node, "price"), currency or _specified_currency(graph, node), place)
    if price is not None:
        return price
    asked = [one for one in _specifications(graph, node) if _is_asked(graph, one)]
    found = [
        money(graph.text(one, "price", "minPrice"), graph.text(one, "priceCurrency") or currency, place)
        for one in asked
    ]
    return min((one for one in found if one is not None), key=lambda one: one.amount, default=None)


def _specifications(graph: Graph, node: Node) -> list[Node]:
    return [one for one in graph.many(node, "priceSpecification") if isinstance(one, dict)]


def _specified_currency(graph: Graph, node: Node) -> Any:
    return next((told for one in _specifications(graph, node) if (told := graph.text(one, "priceCurrency"))), None)


def _is_asked(graph: Graph, specification: Node) -> bool:
    """Whether it is the price of the thing: no former one, none per month, none for delivery."""
    kind = _short(graph.text(specification, "priceType") or "").lower()
    is_other = {"DeliveryChargeSpecification", "PaymentChargeSpecification"}.intersection(specification["@type"])
    is_instalment = specification.keys() & {"billingDuration", "billingIncrement", "referenceQuantity"}
    return kind not in FORMER_PRICES and not is_other and not is_instalment


def _shipping(graph: Graph, offer: Node, currency: str) -> Any:
    """The lowest rate in the currency of the price."""
    rates = []
    for details in graph.many(offer, "shippingDetails")[:50]:
        rate = graph.one(details, "shippingRate") if isinstance(details, dict) else None
        if not isinstance(rate, dict) or graph.text(details, "doesNotShip") in (True, "true", "True"):
            continue
        try:
            read = money(graph.text(rate, "value", "minValue"), graph.text(rate, "currency") or currency)
        except (PriceUnclear, CurrencyUnknown):
            continue
        if read is not None and read.currency == currency:
            rates.append(read.amount)
    return min(rates, default=None)


def _images(graph: Graph, product: Node) -> Iterator[Any]:
    for value in graph.many(product, "image")[:50]:
        yield graph.text(value, "url", "contentUrl", "@id") if isinstance(value, dict) else value


def _specs(graph: Graph, product: Node) -> Iterator[tuple[Any, Any]]:
    for value in graph.many(product, "additionalProperty")[:200]:
        if isinstance(value, dict):
            yield graph.text(value, "name", "propertyID"), graph.text(value, "value")


def _short(name: object) -> str:
    """The last part of an IRI or of a prefixed name."""
    text = name if isinstance(name, str) else ""
    return text if text.isidentifier() and len(text) <= 300 else _SEPARATOR.split(text[:300].rstrip("/"))[-1]
