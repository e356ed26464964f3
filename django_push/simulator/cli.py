"""The command line, with Django (``manage.py push_simulator``) and without."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from .certificates import StateError
from .engines import EngineMissingError
from .server import Options, PortError, Server

START_ERRORS = (PortError, StateError, EngineMissingError)
"""What may keep a simulator from starting; the message says what to do."""
DEFAULT_PORT = 8443
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
DEFAULT_STATE = Path("var/simulator")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the simulator's options to `parser`."""
    port = parser.add_argument_group("ports (0: any free one)")
    port.add_argument("--port", type=int, default=DEFAULT_PORT, help="APNs production, TLS")
    port.add_argument("--control-port", type=int, default=DEFAULT_PORT + 1, help="plain HTTP")
    port.add_argument("--fcm-port", type=int, default=DEFAULT_PORT + 2, help="FCM and OAuth, TLS")
    port.add_argument("--sandbox-port", type=int, default=DEFAULT_PORT + 3, help="APNs sandbox")
    parser.add_argument(
        "--state",
        type=Path,
        default=DEFAULT_STATE,
        metavar="DIR",
        help="directory of keys and certificates, made on first use (default: %(default)s)",
    )
    parser.add_argument(
        "--topic",
        action="append",
        metavar="BUNDLE_ID",
        help="a bundle id that the simulated team owns; may be given several times",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="append one JSON line per push")
    parser.add_argument("--engine", choices=("auto", "ngh2", "h2"), default="auto")


def options_from(values: dict[str, Any]) -> Options:
    """Return the simulator's options from parsed arguments."""
    return Options(
        state_dir=values["state"],
        apns_port=values["port"],
        sandbox_port=values["sandbox_port"],
        fcm_port=values["fcm_port"],
        control_port=values["control_port"],
        topics=tuple(values["topic"]) if values["topic"] else None,
        engine=values["engine"],
        log=values["log"],
    )


def run(options: Options, say: Callable[[str], object]) -> None:
    """Serve until SIGTERM or Ctrl-C, as the main job of this process.

    Calls `say` with the addresses once it serves. Afterwards both signals are ignored: a Ctrl-C
    often comes twice, from the terminal and from a parent, and the second must not look like a
    crash.
    """
    server = Server(options)
    asyncio.run(_serve(server, say))


async def _serve(server: Server, say: Callable[[str], object]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int, frame: FrameType | None) -> None:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        loop.call_soon_threadsafe(stopped.set)

    for number in _STOP_SIGNALS:
        signal.signal(number, stop)
    await server.start()
    say(_announcement(server))
    await stopped.wait()
    await server.stop()


def _announcement(server: Server) -> str:
    addresses, identity = server.addresses, server.identity
    lines = {
        "APNs production": addresses.apns_url,
        "APNs sandbox": addresses.sandbox_url,
        "FCM": addresses.fcm_url,
        "OAuth token": addresses.token_url,
        "Control": addresses.control_url,
        "Keys and certificates": identity.directory,
        "APNs key id, team": f"{identity.key_id}, {identity.team_id}",
        "Topics": ", ".join(identity.topics),
        "FCM project": identity.project_id,
    }
    return "\n".join(f"{name + ':':24}{value}" for name, value in lines.items())


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is the command line


def main() -> int:
    """Run as ``python -m django_push.simulator``."""
    parser = argparse.ArgumentParser(
        prog="python -m django_push.simulator",
        description="Plays APNs and FCM on this machine, over TLS and HTTP/2.",
    )
    add_arguments(parser)
    try:
        run(options_from(vars(parser.parse_args())), _print)
    except START_ERRORS as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the command line
        return 1
    return 0
