"""``manage.py push_purge``: pushes of long ago, with their batches and failures."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_push.hygiene.purging import old_pushes, purge
from django_push.management.options import add_application, days, find_application


class Command(BaseCommand):
    help = (
        "Delete pushes that ended more than HISTORY_DAYS ago, with their ledgers, failures and "
        "messages. The nightly clean-up does the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=days, help="Instead of HISTORY_DAYS.")
        parser.add_argument("--dry-run", action="store_true", help="Count only.")
        add_application(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        application = find_application(options)
        if options["dry_run"]:
            number = old_pushes(options["days"], application).count()
            self.stdout.write(f"Would be deleted: {number:,} pushes.")
            return
        done: Counter[str] = Counter()
        for _ in purge(done, days=options["days"], application=application):
            if options["verbosity"] > 1:
                self._say("So far", done)
        self._say("Deleted", done)

    def _say(self, words: str, done: Counter[str]) -> None:
        rows = ", ".join(f"{number:,} {name}" for name, number in sorted(done.items()) if number)
        self.stdout.write(f"{words}: {rows or 'nothing'}.")
