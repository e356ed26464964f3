"""A name server for one process: ``localhost`` has the address in a file, while it is there.

A test cannot make the machine's resolver fail and recover. With this directory in PYTHONPATH,
``PUSH_DRILL_ADDRESS`` names the file; without it the name cannot be resolved at the moment.
"""

import os
import pathlib
import socket

_resolve = socket.getaddrinfo


def _getaddrinfo(host, *args, **options):
    if host == "localhost":
        file = pathlib.Path(os.environ["PUSH_DRILL_ADDRESS"])
        if not file.exists():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        host = file.read_text()
    return _resolve(host, *args, **options)


socket.getaddrinfo = _getaddrinfo
