"""``manage.py seed_demo``: fills the demo's database."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from demo_project.seeding.accounts import (
    make_application,
    make_credentials,
    make_draft,
    make_segments,
    make_staff,
)
from demo_project.seeding.devices import make_devices
from demo_project.seeding.phones import make_phones
from demo_project.seeding.preferences import make_purposes
from django_push.models import Application

MARK = "demo_seeded"
"""In the application's push settings once all of it was made."""


class Command(BaseCommand):
    help = "Make the demo's users, application, keys, credentials, phones and devices."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--installations", type=int, default=10_000, metavar="N")
        parser.add_argument(
            "--once",
            action="store_true",
            help="leave a database alone that was filled before, but for the simulator's keys",
        )

    def handle(self, *args: Any, installations: int, once: bool, **options: Any) -> None:
        if installations < 0:
            raise CommandError("--installations must be 0 or more.")
        known = Application.objects.filter(key="demo").first()
        if once and known is not None and known.push_settings.get(MARK):
            make_credentials(known)
            return
        started = time.monotonic()
        made = _seed(installations)
        seconds = time.monotonic() - started
        self.stdout.write(f"Made {made:,} devices and what belongs to them in {seconds:.1f} s.")


def _seed(installations: int) -> int:
    make_staff()
    application = make_application()
    make_credentials(application)
    made = make_devices(application, installations)
    make_purposes(application)
    make_phones(application)  # the newest devices: a test from the console lights one up
    make_segments(application)
    make_draft(application)
    if not application.push_settings.get(MARK):
        application.push_settings = {**application.push_settings, MARK: True}
        application.save(update_fields=["push_settings"])
    return made
