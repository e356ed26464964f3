"""Options that several commands share."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ..conf import alias
from ..models import Application

__all__ = ["add_application", "confirmed", "days", "find_application"]


def days(text: str) -> int:
    """A number of days from the command line; for ``type=``."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 36_500:
        raise ArgumentTypeError(f"{text!r} is no number of days, such as 90.")
    return int(text)


def add_application(parser: CommandParser) -> None:
    parser.add_argument(
        "--application", metavar="KEY", help="Only in the application with this key."
    )


def find_application(options: Mapping[str, Any]) -> Application | None:
    """The application that ``--application`` names; ``None`` for all. Raises ``CommandError``."""
    key = options["application"]
    if key is None:
        return None
    found: Application | None = Application.objects.using(alias()).filter(key=key).first()
    if found is None:
        known = Application.objects.using(alias()).values_list("key", flat=True)[:10]
        raise CommandError(f"No application has the key {key!r}. Known: {', '.join(known)}.")
    return found


def confirmed(command: BaseCommand, word: str) -> bool:
    """Whether the person at the terminal types ``word``: what follows cannot be undone."""
    command.stdout.write(f"This cannot be undone. Type {word!r} to go on:")
    command.stdout.flush()
    try:
        return input().strip() == word
    except EOFError:  # nobody there: --no-input says so on purpose
        return False
