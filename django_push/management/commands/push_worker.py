"""``manage.py push_worker``: plans, sends and schedules until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from django_push.accounts import Change, declare_settings
from django_push.exceptions import InvalidCredential
from django_push.management.processes import AliveFile, Family
from django_push.worker import Worker

logger = logging.getLogger("django_push.delivery")

MOST = 64
"""Processes under one parent: a slip of the finger must not start half a million."""


class Command(BaseCommand):
    help = (
        "Sends pushes: plans, delivers and schedules. "
        "Ctrl-C or SIGTERM finishes what is in flight and gives the rest back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--processes",
            type=int,
            default=1,
            help="Worker processes (default 1). One sends about 100,000 pushes a second.",
        )
        parser.add_argument(
            "--alive-file",
            type=Path,
            help="A file that is touched every second while all processes work.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        number, alive = options["processes"], AliveFile(options["alive_file"])
        if not 1 <= number <= MOST:
            raise CommandError(f"--processes must be 1 to {MOST}.")
        try:
            alive.beat()
        except OSError as error:
            raise CommandError(f"--alive-file cannot be written: {error}") from None
        self._take_credentials()
        if number == 1:
            self._work(alive.beat)
        else:
            self._many(number, alive)
        alive.remove()
        self.stdout.write("Push worker stopped; nothing was left behind.")

    def _take_credentials(self) -> None:
        """What the settings declare. One that is wrong is said, and stops no other push."""
        try:
            for credential, change in declare_settings():
                if change is not Change.UNCHANGED:
                    self.stdout.write(f"Credential {credential}: {change}.")
        except InvalidCredential as error:
            logger.error("%s Run push_credential once it is mended.", error)

    def _many(self, number: int, alive: AliveFile) -> None:
        if not hasattr(os, "fork"):
            raise CommandError("--processes needs fork, which this system lacks: start several.")
        connections.close_all()
        family = Family(number, self._work, alive)
        signal.signal(signal.SIGTERM, family.stop)
        signal.signal(signal.SIGINT, family.stop)
        family.run()

    def _work(self, beat: Callable[[], None]) -> None:
        worker = Worker()
        worker.spare_the_collector()
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, worker.stop)
        self.stdout.write(f"Push worker {worker.name} is ready.")
        self.stdout.flush()  # who started us through a pipe waits for this line
        worker.run(beat)
