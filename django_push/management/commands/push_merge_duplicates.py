"""``manage.py push_merge_duplicates``: one row for each device."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_push.hygiene.duplicates import Why, merge_duplicates
from django_push.management.options import add_application, find_application


class Command(BaseCommand):
    help = (
        "Find devices that are in the registry twice (a token in capitals, an installation id in "
        "two spellings, an address on two networks) and merge them into the newest."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done.")
        parser.add_argument(
            "--report", type=Path, help="Write a CSV of the ids that stay and that go."
        )
        add_application(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        application, dry_run = find_application(options), options["dry_run"]
        devices: Counter[Why] = Counter()
        removed = 0
        with _report(options["report"]) as writer:
            for merge in merge_duplicates(application, dry_run=dry_run):
                devices[merge.why] += 1
                removed += len(merge.removed)
                if writer is not None:
                    writer.writerow([merge.why, merge.kept, " ".join(merge.removed)])
        for why, number in sorted(devices.items()):
            self.stdout.write(f"{number:>9,}  {why}")
        verb = "would be removed" if dry_run else "were removed"
        self.stdout.write(f"{removed:>9,}  rows {verb}")


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--report cannot be written: {error}") from None
    with file:
        writer = csv.writer(file)
        writer.writerow(["why", "stays", "goes"])
        yield writer
