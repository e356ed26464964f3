"""A parent with two children that only show that they live: ``python -m tests.support.family DIR``.

Each child writes a file named by its process id; all of them together touch ``alive``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django_push.management import processes


def main(directory: Path) -> None:
    processes.BEAT, processes.SILENT, processes.AGAIN = 0.02, 0.5, 0.1
    logging.basicConfig(level=logging.INFO)

    def work(beat: Callable[[], None]) -> None:
        stopping: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
        (directory / f"{os.getpid()}.child").touch()
        while not stopping:
            beat()
            time.sleep(0.01)

    family = processes.Family(2, work, processes.AliveFile(directory / "alive"))
    signal.signal(signal.SIGTERM, family.stop)
    family.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
