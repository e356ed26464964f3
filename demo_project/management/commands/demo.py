"""``manage.py demo``: the whole thing on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from demo_project.supervisor import Child, Supervisor

HOST = "127.0.0.1"

WELCOME = """
django_push is up.  Ctrl-C stops everything; the data stays in {directory}

  Console   {web}/admin/
            admin / admin      may do everything
            editor / editor    may compose, may not send
            sender / sender    may compose and send
  Phones    {web}/phones/      a dozen simulated phones that light up
  API       {web}/push/demo/   application key: demo

  Client key                   demo-client-key
  Server key                   demo-server-key
  notification-server token    demo-auth-token

  Pushes go to {target}
"""


class Command(BaseCommand):
    help = "Run web server, worker, scheduler and simulated providers together, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, help="of the web server (default: $PORT, 8000)")
        parser.add_argument(
            "--installations", type=int, default=10_000, help="devices made at the first start"
        )

    def handle(self, *args: Any, port: int | None, installations: int, **options: Any) -> None:
        port = port or _port_from_environment()
        _check_ports(port)
        try:
            self._prepare(installations)
            ending = self._run(port)
        except KeyboardInterrupt:
            ending = ""
        if ending:
            raise CommandError(f"The demo stopped: {ending}. What it said stands above.")
        self.stdout.write("\nStopped.")

    def _run(self, port: int) -> str:
        """Run the children; the answer says which of them ended by itself, if one did."""
        with Supervisor() as supervisor:
            for child in _children(port):
                supervisor.start(child)
            ending = supervisor.wait(until=lambda: all(map(_answers, _ports(port).values())))
            if not ending and supervisor.signalled is None:
                self.stdout.write(welcome(port), self.style.SUCCESS)
                self.stdout.flush()
                ending = supervisor.wait()
            return ending

    def _prepare(self, installations: int) -> None:
        self.stdout.write("Preparing the database …")
        self.stdout.flush()
        call_command("migrate", verbosity=0, interactive=False)
        call_command("seed_demo", installations=installations, once=True)


def _port_from_environment() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise CommandError(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def _ports(web: int) -> dict[str, int]:
    """What must be free, by the environment variable that moves it."""
    return {
        "PORT": web,
        "SIMULATOR_PORT": settings.SIMULATOR_PORT,
        "SIMULATOR_CONTROL_PORT": settings.SIMULATOR_CONTROL_PORT,
        "SIMULATOR_FCM_PORT": settings.SIMULATOR_FCM_PORT,
        "SIMULATOR_SANDBOX_PORT": settings.SIMULATOR_SANDBOX_PORT,
    }


def _check_ports(web: int) -> None:
    ports = _ports(web)
    for name, port in ports.items():
        if not _is_free(port):
            other = _free_port_after(port, ports.values())
            raise CommandError(
                f"Port {port} is used by another program (perhaps a demo that runs already). "
                f"Stop it, or choose another port: {name}={other} make demo"
            )
        if list(ports.values()).count(port) > 1:
            raise CommandError(f"Port {port} is wanted twice: give {name} another number.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise CommandError(
                f"This user may not open port {port}. Choose one above 1023: PORT=8000 make demo"
            ) from None
        except OSError:
            return False
    return True


def _free_port_after(port: int, taken: Iterable[int]) -> int:
    """The next one that is free, with room for a neighbour or three: the simulator wants four."""
    for start in range(port + 1, 65_000):
        wanted = range(start, start + 4)
        if not set(wanted) & set(taken) and all(map(_is_free, wanted)):
            return start
    raise CommandError("No free port was found above it.")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _children(port: int) -> list[Child]:
    simulator = (
        "push_simulator",
        f"--port={settings.SIMULATOR_PORT}",
        f"--control-port={settings.SIMULATOR_CONTROL_PORT}",
        f"--fcm-port={settings.SIMULATOR_FCM_PORT}",
        f"--sandbox-port={settings.SIMULATOR_SANDBOX_PORT}",
        f"--state={settings.SIMULATOR_STATE}",
    )
    web = (
        "demo_project.asgi:application",
        f"--host={HOST}",
        f"--port={port}",
        "--log-level=warning",
        "--no-access-log",
        "--timeout-graceful-shutdown=2",
    )
    # Under DEBUG Django keeps every statement: a worker would remember all it ever did.
    lean = {"DEBUG": "0"}
    return [
        Child(name="The provider simulator", module=("django", *simulator), is_quiet=True),
        Child(name="The worker", module=("django", "push_worker"), environment=lean),
        Child(name="The web server", module=("uvicorn", *web)),
    ]


def welcome(port: int) -> str:
    target = settings.DJANGO_PUSH["REDIRECT_TO"]
    simulator = f"{HOST}:{settings.SIMULATOR_CONTROL_PORT}/deliveries"
    where = {
        None: f"the simulated Apple and Google, which tell at http://{simulator}",
        "file": f"the file {settings.DJANGO_PUSH['FILE']}, not to the phones",
    }
    return WELCOME.format(
        directory=settings.DEMO_DIR,
        web=f"http://{HOST}:{port}",
        target=where.get(target, f"“{target}”, not to the phones"),
    )
