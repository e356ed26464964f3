"""``python -m demo_project.child MODULE ARGUMENTS``: runs a module for as long as its parent lives.

The parent holds the other end of the standard input. However it ends, be it by ``kill -9``, the
pipe closes with it and this process is asked to stop: no server is left behind on its port.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    threading.Thread(target=_watch, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _watch() -> None:
    # Not sys.stdin.read(): the interpreter cannot end while a thread holds that lock.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
