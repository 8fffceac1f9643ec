"""HTML of shop pages: JSON-LD, microdata, RDFa and OpenGraph."""

# ruff: noqa: E501 - pages have long lines

from __future__ import annotations

import json
from typing import Any


def json_ld(*blocks: object) -> str:
    texts = [block if isinstance(block, str) else json.dumps(block) for block in blocks]
    return "".join(f'<script type="application/ld+json">{text}</script>' for text in texts)


def json_ld_offer(price: object = "99.90", currency: object = "USD", **more: Any) -> dict[str, Any]:
    return {"@type": "Offer", "price": price, "priceCurrency": currency, **more}


def json_ld_product(offers: object = None, **more: Any) -> dict[str, Any]:
    return {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "Intel Core i5-8500T",
        **({} if offers is None else {"offers": offers}),
        **more,
    }


MICRODATA = """
<div itemscope itemtype="https://schema.org/Product">
  <h2 itemprop="name">Ryzen 5 5600G <span>boxed</span></h2> <img itemprop="image" src="/r.jpg">
  <meta itemprop="sku" content="R5"><span itemprop="brand" itemscope itemtype="https://schema.org/Brand"><b itemprop="name">AMD</b></span>
  <div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
    <span itemprop="price" content="129.50">129,50 €</span><meta itemprop="priceCurrency" content="EUR">
    <link itemprop="availability" href="https://schema.org/InStock"><link itemprop="itemCondition" href="https://schema.org/UsedCondition">
    <span itemprop="seller">chipyard</span>
  </div>
  <div itemprop="isRelatedTo" itemscope itemtype="https://schema.org/Product"><b itemprop="name">Cooler</b></div>
</div>"""
RDFA = """
<div vocab="https://schema.org/" typeof="Product">
  <h2 property="name">Ryzen 5 5600G boxed</h2> <img property="image" src="/r.jpg"> <meta property="sku" content="R5">
  <span property="brand" typeof="Brand"><b property="name">AMD</b></span>
  <div property="offers" typeof="Offer">
    <span property="price" content="129.50">129,50 €</span><meta property="priceCurrency" content="EUR">
    <link property="availability" href="https://schema.org/InStock"><link property="itemCondition" href="https://schema.org/UsedCondition">
    <span property="seller">chipyard</span>
  </div>
  <div property="isRelatedTo" typeof="Product"><b property="name">Cooler</b></div>
</div>"""


def meta_tags(**properties: str) -> str:
    names = {name.replace("__", ":"): value for name, value in properties.items()}
    return "".join(f'<meta property="{name}" content="{value}">' for name, value in names.items())
