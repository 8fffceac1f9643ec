"""Find the product of a page and its offers in schema.org data, independent of the syntax.

Items of JSON-LD, microdata and RDFa first become nodes of a Graph: dictionaries with short names (`name` instead of
`http://schema.org/name`), `@type` as a list of short names, and `@id`. `read_products` then chooses the product that
the page is about and its best offer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from app.db.tables import Condition, ListingStatus
from app.ingestion.extract.condition_parsing import parse_availability, parse_declared_condition
from app.ingestion.extract.offer import Offer, clean_text, resolve_url
from app.ingestion.extract.offer_builder import RawOffer, build_offer, page_country, sort_best_first
from app.ingestion.extract.price_parsing import Money, parse_price
from app.ingestion.fetch.errors import AmbiguousPrice, ExtractionError, UnknownCurrency
from app.ingestion.fetch.page import WebPage

Node = dict[str, Any]

# Limits of the work for one page; real pages stay far below.
MAX_DEPTH = 40
MAX_NODES = 20_000
MAX_VALUES = 500  # of one property
MAX_VARIANTS = 100

PRODUCT_TYPES = frozenset({"Product", "IndividualProduct", "ProductModel", "SomeProducts", "ProductGroup"})
OFFER_TYPES = frozenset({"Offer", "AggregateOffer", "OfferForPurchase"})
# Properties that can lead to the page's own product.
PRODUCT_PROPERTIES = ("@graph", "mainEntity", "mainEntityOfPage", "about", "hasPart", "itemOffered")
# Properties that lead to other products.
OTHER_PRODUCT_PROPERTIES = (
    "isRelatedTo", "isSimilarTo", "isAccessoryOrSparePartFor", "isConsumableFor", "itemListElement", "item",
)  # fmt: skip
# Values of priceType for prices that the seller does not ask now.
OTHER_PRICE_TYPES = (
    "listprice",
    "msrp",
    "srp",
    "strikethroughprice",
    "regularprice",
    "invoiceprice",
    "minimumadvertisedprice",
)
_IRI_SEPARATOR = re.compile(r"[/#:]")


def read_products(page: WebPage, source: str, items: Iterable[Any]) -> Sequence[Offer]:
    """Return the offers of the page's product: one, or one per variant, the cheapest that is for sale first.

    Raises ExtractionError if several products could be the page's product, or if its only price is ambiguous.
    """
    graph = Graph(items)
    product = _find_page_product(page, graph)
    if product is None:
        return ()
    variants = graph.variants(product) if "ProductGroup" in product["@type"] else []
    if not variants:
        offer = _build_product_offer(page, source, graph, product, None)
        return () if offer is None else (offer,)
    selected = [node for node in variants if _has_page_url(page, graph, node, with_query=True)]
    nodes = selected if len(selected) == 1 else variants
    offers = [_build_product_offer(page, source, graph, node, product) for node in nodes]
    return sort_best_first(offer for offer in offers if offer is not None)


class Graph:
    """The nodes of a page. References (`{"@id": ...}`) are followed one step at a time, so cycles do no harm."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._remaining_nodes = MAX_NODES
        self._by_id: dict[str, Node] = {}
        self.roots = [node for item in items if isinstance(node := self._normalize(item, 0), dict)]

    def values(self, node: Node, name: str) -> list[Any]:
        """Return the values of a property. References are followed."""
        value = node.get(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [self._resolve(value) for value in values]

    def value(self, node: Node, *names: str) -> Any:
        """Return the first value of the first of these properties that has one, else None."""
        return next((value for name in names for value in self.values(node, name) if value not in ("", None)), None)

    def text(self, node: Node, *names: str) -> Any:
        """Return the same as `value`, with the name of a node instead of the node."""
        value = self.value(node, *names)
        if isinstance(value, dict):
            value = self.value(value, "name", "value", "@id")
        return None if isinstance(value, (dict, list)) else value

    def products(self) -> list[Node]:
        """Return the products that are the page's own by their position in the graph."""
        other_products = {id(node) for node in self._other_products()}
        products: dict[int, Node] = {}
        stack: list[Any] = list(reversed(self.roots))
        visited = set[int]()
        while stack:
            node = stack.pop()
            if not isinstance(node, dict) or id(node) in visited:
                continue
            visited.add(id(node))
            if PRODUCT_TYPES.intersection(node["@type"]):
                products[id(node)] = node
            elif OFFER_TYPES.intersection(node["@type"]) and isinstance(
                product := self.value(node, "itemOffered"), dict
            ):
                products[id(product)] = {**product, "offers": product.get("offers", node)}
            else:
                stack += reversed([value for name in PRODUCT_PROPERTIES for value in self.values(node, name)])
        return [node for key, node in products.items() if key not in other_products]

    def variants(self, group: Node) -> list[Node]:
        """Return the products of a group: those that it refers to, and those that refer to it."""
        children = [node for node in self.values(group, "hasVariant") if isinstance(node, dict)]
        referrers = self._variants_by_group.get(_identity(group), [])
        return list({id(node): node for node in children + referrers}.values())[:MAX_VARIANTS]

    @cached_property
    def _variants_by_group(self) -> dict[str, list[Node]]:
        """The nodes that say of which group they are variants, by the identity of the group."""
        variants: dict[str, list[Node]] = {}
        for node in self._top_nodes():
            for group in self.values(node, "isVariantOf"):
                if isinstance(group, dict):
                    variants.setdefault(_identity(group), []).append(node)
        return variants

    def _top_nodes(self) -> Iterator[Node]:
        """Yield the nodes of the first two levels, which are all nodes of a flattened page."""
        for root in self.roots:
            yield root
            yield from (node for node in self.values(root, "@graph") if isinstance(node, dict))

    def _other_products(self) -> Iterator[Node]:
        for node in self._by_id.values():
            for name in (*OTHER_PRODUCT_PROPERTIES, "hasVariant"):
                yield from (value for value in self.values(node, name) if isinstance(value, dict))

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, dict) and len(value) <= 2 and isinstance(value.get("@id"), str):
            return self._by_id.get(value["@id"], value)
        return value

    def _normalize(self, value: Any, depth: int) -> Any:
        """Return a copy with short names; None for values beyond the limits."""
        if depth > MAX_DEPTH or self._remaining_nodes <= 0:
            return None
        self._remaining_nodes -= 1
        if isinstance(value, list):
            return [self._normalize(element, depth + 1) for element in value[:MAX_VALUES]]
        if not isinstance(value, dict):
            return value
        if "@value" in value:
            return self._normalize(value["@value"], depth + 1)
        node: Node = {"@type": [], "@id": None}
        for name, content in list(value.items())[:MAX_VALUES]:
            short = name if name in {"@id", "@graph"} else _short_name(name)
            if short in {"type", "@type"}:
                types = content if isinstance(content, list) else [content]
                node["@type"] = [_short_name(type_name) for type_name in types[:20]]
            elif short not in node or node[short] is None:
                node[short] = self._normalize(content, depth + 1)
        self._register(node)
        return node

    def _register(self, node: Node) -> None:
        """Remember a node by its id. Of several nodes with one id, the longest is the description."""
        if isinstance(node["@id"], str):
            known = self._by_id.setdefault(node["@id"], node)
            if len(known) < len(node):
                self._by_id[node["@id"]] = node
        else:
            self._by_id[f"\0{len(self._by_id)}"] = node  # a unique key that no reference contains


def _identity(node: Node) -> str:
    """Return a text that is equal for two descriptions of one thing: the id, or the whole description without one."""
    return node["@id"] if isinstance(node["@id"], str) else repr(node)


def _find_page_product(page: WebPage, graph: Graph) -> Node | None:
    """Return the product that the page is about, None without products. Raises ExtractionError if this is unclear."""
    products = graph.products()
    groups = [node for node in products if "ProductGroup" in node["@type"]]
    variants = {id(variant) for group in groups for variant in graph.variants(group)}
    products = [node for node in products if id(node) not in variants]
    candidates = _merge_duplicates(graph, products)
    if len(candidates) > 1:
        candidates = [node for node in candidates if _has_page_url(page, graph, node, with_query=False)] or candidates
    if len(candidates) > 1:
        headings = _headings(page)
        candidates = [node for node in candidates if _alphanumeric_name(graph, node) in headings] or candidates
    if len(candidates) > 1:
        raise ExtractionError(f"The page has {len(candidates)} products and does not say which one it is about.")
    return candidates[0] if candidates else None


def _merge_duplicates(graph: Graph, products: list[Node]) -> list[Node]:
    """Keep one description of each product, the first one with offers if there is one."""
    by_name: dict[object, Node] = {}
    for node in products:
        name = _alphanumeric_name(graph, node) or id(node)
        if name not in by_name or ("offers" not in by_name[name] and "offers" in node):
            by_name[name] = node
    return list(by_name.values())


def _has_page_url(page: WebPage, graph: Graph, node: Node, *, with_query: bool) -> bool:
    """Whether a URL of the product is the URL of the page."""
    offers = [offer for offer in graph.values(node, "offers") if isinstance(offer, dict)]
    urls = [graph.text(node, "url"), *(graph.text(offer, "url") for offer in offers[:1])]
    if not with_query:  # the ids of variants differ in the fragment only
        urls += [node["@id"], graph.text(node, "mainEntityOfPage")]
    urls = [url for url in urls if not str(url).startswith("#")]
    page_urls = {_comparable_url(page.url, with_query), _comparable_url(page.requested_url or page.url, with_query)}
    return any(_comparable_url(url, with_query) in page_urls for value in urls if (url := resolve_url(value, page.url)))


def _comparable_url(url: str, with_query: bool) -> tuple[str, ...]:
    parts = urlsplit(url)
    location = ((parts.hostname or "").removeprefix("www."), parts.path.rstrip("/"))
    return (*location, parts.query) if with_query else location


def _headings(page: WebPage) -> set[str]:
    """Return the headings and titles of the page, in the form of `_alphanumeric_name`."""
    headings = page.tree.xpath("//h1 | //meta[@property='og:title']/@content | //head/title")[:10]
    texts = [heading if isinstance(heading, str) else heading.text_content() for heading in headings]
    return {name for text in texts if (name := _alphanumeric(clean_text(text)))}


def _alphanumeric_name(graph: Graph, node: Node) -> str:
    return _alphanumeric(clean_text(graph.text(node, "name")))


def _alphanumeric(text: str | None) -> str:
    return "".join(character for character in (text or "").lower() if character.isalnum())


@dataclass(frozen=True)
class _Terms:
    """Price, status and condition of one offer of a product."""

    node: Node
    price: Money | None
    status: ListingStatus
    condition: object


def _build_product_offer(page: WebPage, source: str, graph: Graph, product: Node, group: Node | None) -> Offer | None:
    """Return the product with its best offer. A variant inherits missing values of its group.

    Raises like `parse_price`.
    """
    if group is not None:
        product = {**group, **{name: value for name, value in product.items() if value not in (None, "", [])}}
    terms = _best_terms(page, graph, product)
    offer = terms.node if terms else {}
    return build_offer(
        page,
        source,
        RawOffer(
            title=graph.text(product, "name"),
            price=terms.price if terms else None,
            shipping=_lowest_shipping(graph, offer, terms.price.currency) if terms and terms.price else None,
            condition=terms.condition if terms else graph.text(product, "itemCondition", "condition"),
            status=terms.status if terms else ListingStatus.ACTIVE,
            seller=graph.text(offer, "seller", "offeredBy") or graph.text(product, "seller"),
            item_id=graph.text(product, "sku") or graph.text(offer, "sku") or graph.text(product, "productID"),
            url=graph.text(offer, "url") or graph.text(product, "url"),
            brand=graph.text(product, "brand", "manufacturer"),
            mpn=graph.text(product, "mpn", "model"),
            gtin=graph.text(product, "gtin13", "gtin", "gtin12", "gtin14", "gtin8", "isbn"),
            images=list(_images(graph, product)),
            specs=list(_specs(graph, product)),
        ),
    )


def _best_terms(page: WebPage, graph: Graph, product: Node) -> _Terms | None:
    """Return the cheapest offer that is for sale. Prices in different currencies are compared by their numbers."""
    terms, errors = list[_Terms](), list[ExtractionError]()
    country = page_country(page)
    offers = list(_offer_nodes(graph, product))
    for offer in offers[:MAX_VALUES]:
        try:
            price = _parse_offer_price(graph, offer, country)
        except (AmbiguousPrice, UnknownCurrency) as error:
            errors.append(error)
            continue
        condition = graph.text(offer, "itemCondition") or graph.text(product, "itemCondition")
        terms.append(_Terms(offer, price, parse_availability(graph.text(offer, "availability")), condition))
    if errors and not any(candidate.price for candidate in terms):
        raise errors[0]
    return min(terms, key=_preference, default=None)


def _preference(terms: _Terms) -> tuple[bool, bool, bool, object]:
    is_for_sale = terms.status is ListingStatus.ACTIVE
    is_for_parts = parse_declared_condition(terms.condition) is Condition.FOR_PARTS
    return (not is_for_sale, is_for_parts, terms.price is None, terms.price.amount if terms.price else 0)


def _offer_nodes(graph: Graph, product: Node) -> Iterator[Node]:
    """Yield the offers of a product. An aggregate offer yields the offers with a price in it, else itself."""
    nodes = [node for node in graph.values(product, "offers") if isinstance(node, dict)]
    for node in nodes:
        children = [child for child in graph.values(node, "offers") if isinstance(child, dict)]
        priced = [child for child in children if child.keys() & {"price", "priceSpecification", "lowPrice"}]
        yield from ({**_inherited(node), **child} for child in priced)
        if not priced:
            yield node
    if not nodes and product.keys() & {"price", "lowPrice"}:
        yield product  # some pages omit the offer


def _inherited(aggregate: Node) -> Node:
    return {name: aggregate[name] for name in ("priceCurrency", "seller", "itemCondition") if name in aggregate}


def _parse_offer_price(graph: Graph, offer: Node, country: str) -> Money | None:
    currency = graph.text(offer, "priceCurrency", "currency")
    if "AggregateOffer" in offer["@type"] or "price" not in offer:
        lowest = parse_price(graph.text(offer, "lowPrice"), currency, country)
        if lowest is not None:
            return lowest
    price = parse_price(graph.text(offer, "price"), currency or _specified_currency(graph, offer), country)
    if price is not None:
        return price
    prices = [
        parse_price(
            graph.text(specification, "price", "minPrice"),
            graph.text(specification, "priceCurrency") or currency,
            country,
        )
        for specification in _price_specifications(graph, offer)
        if _is_sale_price(graph, specification)
    ]
    return min((price for price in prices if price is not None), key=lambda price: price.amount, default=None)


def _price_specifications(graph: Graph, offer: Node) -> list[Node]:
    return [node for node in graph.values(offer, "priceSpecification") if isinstance(node, dict)]


def _specified_currency(graph: Graph, offer: Node) -> Any:
    currencies = (graph.text(specification, "priceCurrency") for specification in _price_specifications(graph, offer))
    return next((currency for currency in currencies if currency), None)


def _is_sale_price(graph: Graph, specification: Node) -> bool:
    """Whether it is the price of the product, not a former price, an instalment or a delivery charge."""
    price_type = _short_name(graph.text(specification, "priceType") or "").lower()
    is_charge = {"DeliveryChargeSpecification", "PaymentChargeSpecification"}.intersection(specification["@type"])
    is_instalment = specification.keys() & {"billingDuration", "billingIncrement", "referenceQuantity"}
    return price_type not in OTHER_PRICE_TYPES and not is_charge and not is_instalment


def _lowest_shipping(graph: Graph, offer: Node, currency: str) -> Any:
    """Return the lowest shipping rate in the currency of the price."""
    amounts = []
    for details in graph.values(offer, "shippingDetails")[:50]:
        rate = graph.value(details, "shippingRate") if isinstance(details, dict) else None
        if not isinstance(rate, dict) or graph.text(details, "doesNotShip") in (True, "true", "True"):
            continue
        try:
            price = parse_price(graph.text(rate, "value", "minValue"), graph.text(rate, "currency") or currency)
        except (AmbiguousPrice, UnknownCurrency):
            continue
        if price is not None and price.currency == currency:
            amounts.append(price.amount)
    return min(amounts, default=None)


def _images(graph: Graph, product: Node) -> Iterator[Any]:
    for value in graph.values(product, "image")[:50]:
        yield graph.text(value, "url", "contentUrl", "@id") if isinstance(value, dict) else value


def _specs(graph: Graph, product: Node) -> Iterator[tuple[Any, Any]]:
    for value in graph.values(product, "additionalProperty")[:200]:
        if isinstance(value, dict):
            yield graph.text(value, "name", "propertyID"), graph.text(value, "value")


def _short_name(name: object) -> str:
    """Return the last part of an IRI or of a prefixed name."""
    text = name if isinstance(name, str) else ""
    return text if text.isidentifier() and len(text) <= 300 else _IRI_SEPARATOR.split(text[:300].rstrip("/"))[-1]
