"""``manage.py push_simulator``: plays APNs and FCM on this machine."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_push.simulator import cli


class Command(BaseCommand):
    help = "Play APNs and FCM on this machine, over TLS and HTTP/2, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cli.run(cli.options_from(options), self._say)
        except cli.START_ERRORS as error:
            raise CommandError(str(error)) from error

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
