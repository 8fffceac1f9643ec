"""The generated pages of the reference."""

from __future__ import annotations

import tomllib

import pytest

from scripts.generate_reference import MEANINGS, PAGES, commands, pages, settings_by_variable
from scripts.source_facts import error_codes, log_events, metrics, parse_sources
from tests.docs.pages import ROOT

SOURCES = parse_sources(ROOT)
GENERATED = pages()


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_page_is_current(name: str) -> None:
    assert (PAGES / name).read_text() == GENERATED[name], "run `make reference`"


def test_every_log_event_has_a_meaning_and_every_meaning_an_event() -> None:
    assert set(tomllib.loads(MEANINGS.read_text())) == {event.name for event in log_events(SOURCES)}


def test_facts_are_found() -> None:
    """A change of style in the sources must not empty the pages unnoticed."""
    assert len(settings_by_variable()) > 40
    assert len(commands()) > 15
    assert len(error_codes(SOURCES)) > 35
    assert len(metrics(SOURCES)) > 15
    assert len(log_events(SOURCES)) > 40


def test_error_codes_and_metrics_have_a_meaning() -> None:
    assert [each.code for each in error_codes(SOURCES) if not each.meaning] == []
    assert [each.name for each in metrics(SOURCES) if not each.meaning] == []
