"""Extract offers from a fetched page.

pipeline asks the adapters in order. Each adapter (protocols) reads one format: ebay, structured_data (JSON-LD,
microdata and RDFa; schema_org interprets their common vocabulary), opengraph and html_heuristics. Adapters collect raw
values; offer_builder cleans them with price_parsing and condition_parsing and returns an offer.Offer.
A new adapter is one class, see protocols.
"""
