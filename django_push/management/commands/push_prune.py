"""``manage.py push_prune``: stale devices off, dead ones deleted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_push.hygiene.pruning import Pruned, prune, would_prune
from django_push.management.options import add_application, days, find_application


class Command(BaseCommand):
    help = (
        "Switch off devices that were not seen for STALE_DAYS, and delete those that have been "
        "off for DEAD_DAYS. The nightly clean-up does the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stale-days", type=days, help="Instead of STALE_DAYS.")
        parser.add_argument("--dead-days", type=days, help="Instead of DEAD_DAYS.")
        parser.add_argument("--dry-run", action="store_true", help="Count only.")
        add_application(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        what = {
            "stale_days": options["stale_days"],
            "dead_days": options["dead_days"],
            "application": find_application(options),
        }
        if options["dry_run"]:
            self._say("Would be", would_prune(**what))
            return
        done = Pruned()
        for _ in prune(done, **what):
            if options["verbosity"] > 1:
                self._say("So far", done)
        self._say("Were", done)

    def _say(self, words: str, done: Pruned) -> None:
        self.stdout.write(
            f"{words} switched off: {done.switched_off:,} devices not seen for long. "
            f"{words} deleted: {done.deleted:,} devices switched off for long."
        )
