"""The HTML scanner returns the same as the tree, or None in case of doubt."""

from __future__ import annotations

import pytest

from app.ingestion.extract.html_scanner import find_scripts, root_attributes
from app.ingestion.extract.structured_data import JsonLd
from app.ingestion.fetch.page import WebPage

BLOCK = '<script type="application/ld+json">{"@type": "Product", "name": "Intel Core i5-8500"}</script>'
INSIDE = '{"@type": "Product", "name": "Intel Core i5-8500"}'

PLAIN = {
    "head": f"<!doctype html><html><head><title>a > b</title>{BLOCK}</head>",
    "body": f"<html><body><a href=/x?a=b class='c d' hidden>i</a><br/><!-- a - b -->{BLOCK}<p>",
    "other script": f"<script>if (a < b && c</d/.e) f()</script><style>a > b {{}}</style>{BLOCK}",
    "spelling": BLOCK.replace("script", "SCRIPT").replace('"application/ld+json"', "Application/LD+JSON"),
    "two types": BLOCK.replace("type=", 'type="text/x" type='),
    "noscript": f'<noscript><img src="/p.gif" alt=">"></noscript>{BLOCK}',
    "frame": f'<noscript><iframe src="/t" height="0"></iframe></noscript>{BLOCK}',
    "what follows": f'{BLOCK}<p a="<b \' ="><!-- <script',
}
# Pages that the scanner leaves to the parser.
HIDDEN = {
    "comment": f"<!-- {BLOCK} -->",
    "ended comment": f"<!--> {BLOCK} -->",
    "comment of dashes": f"<!-- a --- {BLOCK} -->",
    "comment with a bang": f"<!-- a --!> {BLOCK} -->",
    "attribute": f"<p title='{BLOCK}'>",
    "attribute without a name": f'<p ="{BLOCK}>',
    "attribute with a late sign": f'<p a/="{BLOCK}>',
    "unquoted attribute": f'<p a=b="{BLOCK}>',
    "text in a title": f"<title>{BLOCK}</title>",
    "text field": f"<textarea>{BLOCK}</textarea>",
    "style": f"<style>{BLOCK}</style>",
    "frame": f"<iframe>{BLOCK}</iframe>",
    "plain text": f"<plaintext>{BLOCK}",
    "program": f"<script>'{BLOCK}'</script>",
    "program with a comment": f"<script><!-- <script> </script> {BLOCK}--></script>",
    "section": f"<![CDATA[ > {BLOCK} ]]>",
    "instruction": f"<? > {BLOCK} ?>",
    "entity": BLOCK.replace("ld+json", "ld&#43;json") + "<!-- ld+json -->",
    "zero": f"<p\0>{BLOCK}",
    "letters that grow": f"<p>\u0130{BLOCK}",
    "foreign letter": BLOCK.replace("script", "\u017fcript"),
    "no end": BLOCK.removesuffix("</script>"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_find_scripts_of_simple_page_equals_the_tree(name: str) -> None:
    page = WebPage("https://shop.example/1", PLAIN[name].encode())
    contents = find_scripts(page.text, "ld+json")
    blocks = page.tree.xpath("//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]")
    assert contents == [block.text for block in blocks]
    if name != "two types":
        assert contents == [INSIDE]


@pytest.mark.parametrize("name", HIDDEN)
def test_find_scripts_of_unusual_page_returns_none(name: str) -> None:
    assert not find_scripts(HIDDEN[name], "ld+json")


def test_reading_simple_json_ld_builds_no_tree() -> None:
    body = PLAIN["head"].replace('"name"', '"offers": {"price": 99, "priceCurrency": "USD"}, "name"')
    page = WebPage("https://shop.example/1", body.encode())
    (offer,) = JsonLd().read_offers(page)
    assert offer.price == 99
    assert "tree" not in vars(page)


@pytest.mark.parametrize("broken", ["{", '{"price": 1 // old\n}', "[" * 100_000])
def test_reading_invalid_json_ld_builds_the_tree(broken: str) -> None:
    block = f'<script type="application/ld+json">{broken}</script>'
    page = WebPage("https://shop.example/1", (block + BLOCK).encode())
    assert JsonLd().read_offers(page)[0].title == "Intel Core i5-8500"
    assert "tree" in vars(page)


@pytest.mark.parametrize(
    "start",
    [
        '<!DOCTYPE html>\n<html class="no-js" LANG="en-AU">',
        "<html lang=en-AU lang=de>",
        '<html xml:lang="en-AU">',
        '<!-- a comment --><html lang="en-AU">',
        '<html lang="en&#45;AU">',
        '<html lang="en-AU"><body><html lang="de">',
        '<html\0 lang="en-AU">',
    ],
)
def test_root_attributes_equal_those_of_the_tree(start: str) -> None:
    page = WebPage("https://shop.example/1", start.encode())
    assert page.language == "en-AU"
    assert page.tree.get("lang", page.tree.get("xml:lang")) == "en-AU"


def test_root_attributes_without_language_are_empty() -> None:
    assert root_attributes("<html><p lang='de'>") == {}
    assert WebPage("https://shop.example/1", b"<html>").language is None
