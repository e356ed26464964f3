"""``manage.py push_credential``: provider accounts from files, variables and settings."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.views.decorators.debug import sensitive_variables

from django_push.accounts import Change, Declared, declare, declare_settings
from django_push.exceptions import InvalidCredential
from django_push.models import Credential

NEEDED = ("application", "provider")


class Command(BaseCommand):
    help = (
        "Stores a provider account: from a file, an environment variable or standard input. "
        'Without arguments it stores those of DJANGO_PUSH["CREDENTIALS"]. The same again changes '
        "nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--application", metavar="KEY", help="The application's key.")
        parser.add_argument("--provider", help="apns, fcm, …")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--file", help="The file that the provider gave you; - reads it.")
        source.add_argument("--env", metavar="NAME", help="The variable that holds it.")
        parser.add_argument("--name", help="Also the device profile of devices that name one.")
        parser.add_argument("--environment", choices=("production", "sandbox"))
        parser.add_argument(
            "--password-env", metavar="NAME", help="The variable that holds the file's password."
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="What the file does not say, such as key_id, team_id, topic.",
        )

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if any(options[name] for name in (*NEEDED, "file", "env")):
                entry = _entry(options)
                self._say([declare(Declared.from_setting(entry), by=_who())])
            else:
                self._say(declare_settings())
        except InvalidCredential as error:
            raise CommandError(str(error)) from None

    def _say(self, stored: Iterable[tuple[Credential, Change]]) -> None:
        found = False
        for credential, change in stored:
            found = True
            where = f"{credential.application}, {credential.provider}, {credential.environment}"
            self.stdout.write(f"{credential} ({where}): {change}.")
        if not found:
            raise CommandError(
                'There is nothing to store: DJANGO_PUSH["CREDENTIALS"] is empty. '
                "Name --application, --provider and --file or --env."
            )


@sensitive_variables()
def _entry(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as an entry of the settings."""
    missing = [f"--{name}" for name in NEEDED if not options[name]]
    if missing:
        raise CommandError(f"Name {' and '.join(missing)} too.")
    entry = {name: options[name] for name in (*NEEDED, "name", "environment") if options[name]}
    if options["file"] == "-":
        entry["value"] = sys.stdin.buffer.read()
    else:
        entry |= {name: options[name] for name in ("file", "env") if options[name]}
    if options["password_env"]:
        entry["password"] = _variable(options["password_env"])
    for pair in options["set"]:
        name, equals, value = pair.partition("=")
        if not equals:
            raise CommandError(f"--set takes FIELD=VALUE, not “{pair}”.")
        entry[name] = value
    return entry


def _variable(name: str) -> str:
    if name not in os.environ:
        raise CommandError(f"The environment variable {name} is not set.")
    return os.environ[name]


def _who() -> str:
    """Who is shown as having uploaded it: the account of the machine that ran the command."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # an account without a name, as in containers
        return "push_credential"
