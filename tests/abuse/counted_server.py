"""`dealmark serve` that counts its objects: on SIGUSR1 it collects garbage and writes their number to a file.

`python -m tests.abuse.counted_server FILE`
"""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

from app.cli.processes import serve


def main(file: Path) -> None:
    """Run the server."""

    def count(_signal: int, _frame: object) -> None:
        gc.collect()
        partial = file.with_suffix(".partial")
        partial.write_text(str(len(gc.get_objects())))
        partial.rename(file)

    signal.signal(signal.SIGUSR1, count)
    serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
