"""How the built page is served: what browsers keep, what they may run, and what is said where nothing was built."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest

from app.server.static_files import PAGE_NOT_BUILT, StaticFiles

HTML = {"accept": "text/html,*/*;q=0.8"}
SCRIPT = b"console.log('a script')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build."""
    (tmp_path / "assets").mkdir()
    files = {
        "index.html": b"<!doctype html><title>Dealmark</title>",
        "assets/index-abc.js": SCRIPT,
        "assets/index-abc.js.gz": gzip.compress(SCRIPT),
        "assets/index-abc.js.br": b"as brotli would have it",
        "theme.js": b"// theme",
        "documents.json": b"{}",
        "budget.json": b"{}",
        ".sources": b"abc",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def client_of(folder: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(StaticFiles(folder)), base_url="http://page")


@pytest.fixture
def browser(folder: Path) -> httpx.AsyncClient:
    return client_of(folder)


async def test_the_page_is_asked_for_each_time_and_its_assets_once(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/", headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    asset = await browser.get("/assets/index-abc.js", headers={"accept-encoding": "identity"})
    assert (asset.content, asset.headers["cache-control"]) == (SCRIPT, "public, max-age=31536000, immutable")
    assert asset.headers["content-type"].startswith("text/javascript")
    assert (await browser.get("/theme.js")).headers["cache-control"] == "no-cache"


async def test_a_page_that_did_not_change_is_304(browser: httpx.AsyncClient) -> None:
    etag = (await browser.get("/")).headers["etag"]
    for given in (etag, f'"other", W/{etag}'):
        again = await browser.get("/", headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert "content-security-policy" in again.headers
    assert (await browser.get("/", headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("br; q=0, gzip; q=0.0", None),
    ],
)
async def test_the_best_encoding_is_sent(browser: httpx.AsyncClient, accepted: str, encoding: str | None) -> None:
    request = browser.build_request("GET", "/assets/index-abc.js", headers={"accept-encoding": accepted})
    response = await browser.send(request, stream=True)
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["vary"] == "Accept-Encoding"


async def test_each_encoding_has_an_etag_of_its_own(browser: httpx.AsyncClient) -> None:
    etags = set()
    for accepted in ("identity", "gzip", "br"):
        request = browser.build_request("GET", "/assets/index-abc.js", headers={"accept-encoding": accepted})
        etags.add((await browser.send(request, stream=True)).headers["etag"])
    assert len(etags) == 3


@pytest.mark.parametrize("path", ["/cpu/intel-core-i5-8500t-2-10ghz", "/compare", "/admin/jobs"])
async def test_pages_are_the_index_for_browsers_alone(browser: httpx.AsyncClient, path: str) -> None:
    page = await browser.get(path, headers=HTML)
    assert (page.status_code, b"<title>Dealmark</title>" in page.content) == (200, True)
    assert (await browser.get(path, headers={"accept": "application/json"})).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone-abc.js",
        "/robots.txt",
        "/documents.json",
        "/budget.json",
        "/.sources",
        "/assets/index-abc.js.gz",
        "/../pages.py",
        "/assets/..%2f..%2fpages.py",
    ],
)
async def test_nothing_else_is_served(browser: httpx.AsyncClient, path: str) -> None:
    response = await browser.get(path, headers=HTML)
    assert (response.status_code, response.headers["content-type"]) == (404, "text/plain; charset=utf-8")


async def test_the_policy_lets_only_our_own_files_in(browser: httpx.AsyncClient) -> None:
    headers = (await browser.get("/", headers=HTML)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'", "'self'", "'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


async def test_head_has_no_body_and_other_methods_are_refused(browser: httpx.AsyncClient) -> None:
    head = await browser.head("/")
    assert (head.status_code, head.content) == (200, b"")
    posted = await browser.post("/")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("there", [(), ("assets/index-abc.js",)], ids=["nothing", "half a build"])
async def test_without_a_build_the_page_says_how_to_get_it(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    async with client_of(tmp_path) as browser:
        page = await browser.get("/", headers=HTML)
        assert (page.status_code, page.text) == (404, PAGE_NOT_BUILT)
        assert len(PAGE_NOT_BUILT.splitlines()) == 1
        assert (await browser.get("/assets/index-abc.js")).status_code == 404
