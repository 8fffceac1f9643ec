"""Precision and recall of the matcher for all names of two real data sets."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest

from app.catalog.cpu_import import open_cpus
from app.titles.matcher import TitleDecision, TitleMatcher
from tests.support.real_data import DataSet
from tests.titles.retail_names import REVIEWED
from tests.titles.seller_titles import SELLERS

MIN_PRECISION = 0.995
MIN_RECALL = 0.88  # the recall of a join by normalized names
# Recall for the catalogue's own names. The others contain no model number ("Intel Pentium 4 3.00GHz"), or two rows are
# one CPU.
MIN_CATALOG_RECALL = 0.91


@pytest.fixture(scope="module")
def names(data_set: DataSet) -> list[str]:
    """Return the names of the catalog as an import reads them."""
    return [str(cells[0]) for _, cells in open_cpus(data_set.passmark) if isinstance(cells, list)]


@pytest.fixture(scope="module")
def matcher(names: list[str]) -> TitleMatcher:
    """Return a matcher for the complete catalogue."""
    return TitleMatcher((number, name, f"slug-{number}") for number, name in enumerate(names))


@pytest.fixture(scope="module")
def retail(data_set: DataSet) -> list[str]:
    """Return all names in the price snapshots."""
    retail_names: set[str] = set()
    for path in data_set.snapshots:
        with path.open(newline="") as file:
            retail_names.update(row["name"] for row in csv.DictReader(file))
    return sorted(retail_names)


def normalized(name: str) -> str:
    """Return the letters and digits of a name without the clock."""
    return re.sub(r"[^a-z0-9+]", "", name.lower().partition("@")[0])


def expected(retail: list[str], names: list[str], is_complete: bool) -> dict[str, str | None]:
    """Return the correct match of each retail name, see `tests.titles.retail_names`."""
    by_normalized: dict[str, list[str]] = {}
    for name in names:
        by_normalized.setdefault(normalized(name), []).append(name)
    if is_complete:
        assert set(REVIEWED) <= set(retail), "a reviewed name is not in the snapshots"
        assert {name for name in REVIEWED.values() if name} <= set(names), "a reviewed match is not in the catalogue"
    unreviewed = [name for name in retail if name not in REVIEWED]
    assert all(len(by_normalized.get(normalized(name), ())) == 1 for name in unreviewed), "a name needs a review"
    return {name: REVIEWED[name] if name in REVIEWED else by_normalized[normalized(name)][0] for name in retail}


def test_match_of_retail_names_reaches_precision_and_recall(
    retail: list[str],
    names: list[str],
    matcher: TitleMatcher,
    data_set: DataSet,
    record_property: Callable[[str, object], None],
) -> None:
    correct = expected(retail, names, data_set.is_complete)
    found = {name: match.cpu.name for name in retail if (match := matcher.match(name)).cpu is not None}
    wrong = {name: cpu for name, cpu in found.items() if cpu != correct[name]}
    precision = 1 - len(wrong) / len(found)
    recall = (len(found) - len(wrong)) / len(retail)
    answerable = sum(answer is not None for answer in correct.values())
    summary = (
        f"{len(retail)} retail names: {len(found)} matched, {len(wrong)} wrong, precision {precision:.2%}, "
        f"recall {recall:.2%} of all, {(len(found) - len(wrong)) / answerable:.2%} of the {answerable} in the catalogue"
    )
    print(summary)  # noqa: T201
    record_property("figures", summary)
    assert precision >= MIN_PRECISION, wrong
    assert recall >= MIN_RECALL, summary
    assert set(correct) - set(found) - {name for name in correct if correct[name] is None} == {
        "AMD 2650", "AMD 3850", "AMD 5150", "AMD 5350",
    }  # fmt: skip


def test_match_of_catalogue_names_among_other_words_returns_those_cpus(
    names: list[str], matcher: TitleMatcher, record_property: Callable[[str, object], None]
) -> None:
    """Add words to each name, because a title that equals a name matches without parsing."""
    found = {name: matcher.match(f"{name}, tested & working").cpu for name in names}
    wrong = {name: cpu.name for name, cpu in found.items() if cpu is not None and cpu.name != name}
    matched = sum(cpu is not None for cpu in found.values())
    summary = f"{len(names)} names of the catalogue: {matched} matched, {len(wrong)} wrong"
    print(summary)  # noqa: T201
    record_property("figures", summary)
    assert not wrong
    assert matched / len(names) >= MIN_CATALOG_RECALL, summary


def test_match_of_names_without_model_number_returns_no_cpu(names: list[str], matcher: TitleMatcher) -> None:
    unmatchable = [name for name in names if name not in {cpu.name for cpu in matcher.cpus.values()}]
    assert "Intel Pentium 4 3.00GHz" in unmatchable
    assert "Intel Xeon @ 2.00GHz" in unmatchable
    assert [name for name in unmatchable if matcher.match(name).cpu is not None] == []


def test_match_of_seller_titles_in_complete_catalogue_returns_expected_cpus(matcher: TitleMatcher) -> None:
    matches = {title: matcher.match(title) for title in SELLERS}
    assert {title: match.cpu.name if match.cpu else None for title, match in matches.items()} == SELLERS
    assert all((match.decision is TitleDecision.MATCHED) == (match.cpu is not None) for match in matches.values())
