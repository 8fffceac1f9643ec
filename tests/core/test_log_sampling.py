"""Sampling of log lines."""

from __future__ import annotations

import logging
import time

import pytest

from app.core import log_sampling
from app.core.log_sampling import MAX_SAMPLED_LINES, LogSampler, SamplingFilter


@pytest.fixture(autouse=True)
def _limit(complete_log: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_sampling, "MAX_SAMPLED_LINES", MAX_SAMPLED_LINES)


def test_log_sampler_counts_skipped_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    sampler = LogSampler()
    assert [sampler.sample() for _ in range(1000)] == [0] * MAX_SAMPLED_LINES + [None] * (1000 - MAX_SAMPLED_LINES)
    now += log_sampling.SAMPLE_INTERVAL_SECONDS
    assert [sampler.sample(), sampler.sample()] == [1000 - MAX_SAMPLED_LINES, 0]


def test_sampling_filter_samples_each_statement(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.sampled")
    logger.filters = [SamplingFilter()]
    for number in range(100):
        logger.warning("Invalid HTTP request received from %s.", number)
        if number == 99:
            logger.warning("Another message.")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == MAX_SAMPLED_LINES + 1
    assert messages[-1] == "Another message."
