"""Precision and recall over every name in the two real data sets."""

from __future__ import annotations

import csv
import re

import pytest

from app.catalog.cpu_import import open_cpus
from app.titles.matcher import TitleDecision, TitleMatcher
from tests.support.real_data import DataSet
from tests.titles.retail_names import REVIEWED
from tests.titles.seller_titles import SELLERS

LEAST_PRECISION = 0.995
LEAST_RECALL = 0.88  # what a join of the plain names finds
# Of the catalogue's own names; the others name no model at all ("Intel Pentium 4 3.00GHz"), or two rows are one chip.
LEAST_OWN = 0.91


@pytest.fixture(scope="module")
def names(data_set: DataSet) -> list[str]:
    """Return the names of the catalog as an import reads them."""
    return [str(cells[0]) for _, cells in open_cpus(data_set.passmark) if isinstance(cells, list)]


@pytest.fixture(scope="module")
def matcher(names: list[str]) -> TitleMatcher:
    """Return a matcher over the whole catalog."""
    return TitleMatcher((number, name, f"slug-{number}") for number, name in enumerate(names))


@pytest.fixture(scope="module")
def retail(data_set: DataSet) -> list[str]:
    """Return every name in the snapshots."""
    names: set[str] = set()
    for path in data_set.snapshots:
        with path.open(newline="") as file:
            names.update(row["name"] for row in csv.DictReader(file))
    return sorted(names)


def plain(name: str) -> str:
    """Letters and digits without the clock."""
    return re.sub(r"[^a-z0-9+]", "", name.lower().partition("@")[0])


def expected(retail: list[str], names: list[str], is_complete: bool) -> dict[str, str | None]:
    """Return the right answer of each retail name; see `tests.titles.retail_names`."""
    by_plain: dict[str, list[str]] = {}
    for name in names:
        by_plain.setdefault(plain(name), []).append(name)
    if is_complete:
        assert set(REVIEWED) <= set(retail), "a reviewed name that no shop has"
        assert {name for name in REVIEWED.values() if name} <= set(names), "a reviewed answer that is no CPU"
    unreviewed = [name for name in retail if name not in REVIEWED]
    assert all(len(by_plain.get(plain(name), ())) == 1 for name in unreviewed), "a name to look at"
    return {name: REVIEWED[name] if name in REVIEWED else by_plain[plain(name)][0] for name in retail}


def test_retail_names(  # type: ignore[no-untyped-def]
    retail: list[str], names: list[str], matcher: TitleMatcher, data_set: DataSet, record_property
) -> None:
    right = expected(retail, names, data_set.is_complete)
    found = {name: match.cpu.name for name in retail if (match := matcher.match(name)).cpu is not None}
    wrong = {name: cpu for name, cpu in found.items() if cpu != right[name]}
    precision = 1 - len(wrong) / len(found)
    recall = (len(found) - len(wrong)) / len(retail)
    answerable = sum(answer is not None for answer in right.values())
    told = (
        f"{len(retail)} retail names: {len(found)} matched, {len(wrong)} wrong, precision {precision:.2%}, "
        f"recall {recall:.2%} of all, {(len(found) - len(wrong)) / answerable:.2%} of the {answerable} in the catalogue"
    )
    print(told)  # noqa: T201
    record_property("figures", told)
    assert precision >= LEAST_PRECISION, wrong
    assert recall >= LEAST_RECALL, told
    assert set(right) - set(found) - {name for name in right if right[name] is None} == {
        "AMD 2650", "AMD 3850", "AMD 5150", "AMD 5350",
    }  # fmt: skip


def test_the_catalogue_finds_itself(names: list[str], matcher: TitleMatcher, record_property) -> None:  # type: ignore[no-untyped-def]
    """Among other words: so that no name is found by being equal."""
    found = {name: matcher.match(f"{name}, tested & working").cpu for name in names}
    wrong = {name: cpu.name for name, cpu in found.items() if cpu is not None and cpu.name != name}
    matched = sum(cpu is not None for cpu in found.values())
    told = f"{len(names)} names of the catalogue: {matched} matched, {len(wrong)} wrong"
    print(told)  # noqa: T201
    record_property("figures", told)
    assert not wrong
    assert matched / len(names) >= LEAST_OWN, told


def test_names_without_a_model_are_matched_by_nothing(names: list[str], matcher: TitleMatcher) -> None:
    silent = [name for name in names if name not in {cpu.name for cpu in matcher.cpus.values()}]
    assert "Intel Pentium 4 3.00GHz" in silent
    assert "Intel Xeon @ 2.00GHz" in silent
    assert [name for name in silent if matcher.match(name).cpu is not None] == []


def test_seller_titles_are_matched_in_the_whole_catalog(matcher: TitleMatcher) -> None:
    matches = {title: matcher.match(title) for title in SELLERS}
    assert {title: match.cpu.name if match.cpu else None for title, match in matches.items()} == SELLERS
    assert all((match.decision is TitleDecision.MATCHED) == (match.cpu is not None) for match in matches.values())
