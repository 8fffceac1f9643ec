"""What of the page can be tested without a browser."""

from __future__ import annotations

import shutil
import subprocess

from app.devserver import web_build
from tests.web.browser import needs_node


@needs_node
def test_the_page_s_unit_tests() -> None:
    assert web_build.install_packages(web_build.SOURCES) is None
    npm = shutil.which("npm")
    assert npm is not None
    done = subprocess.run(
        [npm, "test", "--silent"], cwd=web_build.SOURCES, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
