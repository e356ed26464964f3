"""``manage.py push_delete_application KEY``: an application and all that is its, for good."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_push.exceptions import NotAllowed
from django_push.hygiene.removal import delete_application, of_application
from django_push.management.options import confirmed, find_application


class Command(BaseCommand):
    help = (
        "Delete an application with its devices, credentials, messages and history. Its keys are "
        "revoked and its pushes stopped first. It cannot be undone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("application", metavar="KEY", help="The application's key.")
        parser.add_argument("--dry-run", action="store_true", help="Count only.")
        parser.add_argument("--no-input", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        application = find_application(options)
        assert application is not None
        self._say(f"{application.name} ({application.key})", of_application(application))
        if options["dry_run"]:
            return
        if not options["no_input"] and not confirmed(self, application.key):
            raise CommandError("Nothing was deleted.")
        done: Counter[str] = Counter()
        try:
            for _ in delete_application(application, done):
                if options["verbosity"] > 1:
                    self._say("So far", done)
        except NotAllowed as error:
            raise CommandError(error.message) from None
        self._say("Deleted", done)

    def _say(self, words: str, counts: Counter[str]) -> None:
        rows = ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()) if number)
        self.stdout.write(f"{words}: {rows or 'nothing'}.")
