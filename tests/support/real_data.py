"""Large real data sets, which are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SHARED_DATA = Path(os.environ.get("DEALMARK_TEST_DATA") or ROOT.parent / "shared" / "data")
needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.exists(), reason="the real data sets (../shared/data) are not on this machine"
)
