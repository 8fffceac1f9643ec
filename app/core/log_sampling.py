"""Sampling of log lines that clients can cause, so that no client can fill the log."""

from __future__ import annotations

import logging
import time

MAX_SAMPLED_LINES = 10
SAMPLE_INTERVAL_SECONDS = 10.0


class LogSampler:
    """Admits MAX_SAMPLED_LINES log lines of one kind per SAMPLE_INTERVAL_SECONDS."""

    def __init__(self) -> None:
        self._started_at = float("-inf")
        self._lines = self._skipped = 0

    def sample(self) -> int | None:
        """Return the number of lines skipped before this one, or None if this line must be skipped too."""
        now = time.monotonic()
        if now - self._started_at >= SAMPLE_INTERVAL_SECONDS:
            self._started_at, self._lines = now, 0
        if self._lines >= MAX_SAMPLED_LINES:
            self._skipped += 1
            return None
        self._lines += 1
        skipped, self._skipped = self._skipped, 0
        return skipped


class SamplingFilter(logging.Filter):
    """Samples the lines of a logger of the standard library, each statement that logs by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._samplers: dict[tuple[str, int], LogSampler] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is logged."""
        sampler = self._samplers.setdefault((record.pathname, record.lineno), LogSampler())
        return sampler.sample() is not None
