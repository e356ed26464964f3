"""``manage.py push_erase_user``: afterwards nothing names that user."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_push.exceptions import InvalidRegistration
from django_push.management.options import add_application, confirmed, find_application
from django_push.people import Erased, erase_user, held


class Command(BaseCommand):
    help = (
        "Erase everything about one user: devices, channels, choices, and the id wherever it is "
        "stored. It cannot be undone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The user id, as apps and servers give it.")
        parser.add_argument("--dry-run", action="store_true", help="Say what there is.")
        parser.add_argument("--no-input", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--staff", action="store_true", help="Also what the user did as a member of staff."
        )
        add_application(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        application = find_application(options)
        chosen = None if application is None else [application]
        try:
            found = held(options["user"], chosen)
        except InvalidRegistration as error:
            raise CommandError(error.message) from None
        self._say(found)
        if options["dry_run"]:
            return
        if not options["no_input"] and not confirmed(self, options["user"]):
            raise CommandError("Nothing was erased.")
        done = erase_user(options["user"], chosen, staff=options["staff"])
        self.stdout.write(f"Erased: {_listed(done.deleted)}. Rewritten: {_listed(done.rewritten)}.")

    def _say(self, found: Erased) -> None:
        self.stdout.write(f"To be deleted: {_listed(found.deleted)}.")
        self.stdout.write(f"To be rewritten without the user: {_listed(found.rewritten)}.")
        if found.kept.total():
            self.stdout.write(f"Done as staff, kept without --staff: {_listed(found.kept)}.")


def _listed(counts: Counter[str]) -> str:
    parts = [f"{number:,} {name}" for name, number in sorted(counts.items()) if number]
    return ", ".join(parts) or "nothing"
