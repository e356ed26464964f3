"""``manage.py push_export_user``: everything we hold of one user, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from django_push.exceptions import InvalidRegistration
from django_push.management.options import add_application, find_application
from django_push.people import export_user


class Command(BaseCommand):
    help = "Write everything that is stored of one user as JSON: devices, choices, pushes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The user id, as apps and servers give it.")
        parser.add_argument("--output", type=Path, help="A file that only you can read.")
        add_application(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        application = find_application(options)
        try:
            found = export_user(options["user"], None if application is None else [application])
        except InvalidRegistration as error:
            raise CommandError(error.message) from None
        text = json.dumps(found, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        output: Path | None = options["output"]
        if output is None:
            self.stdout.write(text)
            return
        try:
            output.touch(mode=0o600, exist_ok=False)
            output.write_text(text + "\n")
        except OSError as error:
            raise CommandError(f"--output cannot be written: {error}") from None
        self.stdout.write(f"{len(found['devices'])} devices of user {options['user']}: {output}")
