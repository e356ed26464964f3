"""``manage.py push_import``: devices of another push back end, into the registry."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.exceptions import FieldError
from django.core.management.base import BaseCommand, CommandError

from django_push.importers import (
    DamagedExport,
    DjangoPushNotifications,
    FcmDjango,
    LeanCloud,
    ParseServer,
    ParseServerDatabase,
    Plan,
    Report,
    Source,
    Users,
    run_import,
)
from django_push.messages import Environment
from django_push.models import Application

TABLES = {cls.name: cls for cls in (DjangoPushNotifications, FcmDjango)}
FILES = {cls.name: cls for cls in (ParseServer, LeanCloud)}
WIDTH = 30
"""Characters of the progress bar."""


class Command(BaseCommand):
    help = (
        "Imports devices from another push back end. Running the same import again is safe: "
        "devices that are here already are recognised, and the newer word wins."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = (
            "examples:\n"
            "  push_import django-push-notifications --application shop\n"
            "  push_import fcm-django --application shop --dry-run\n"
            "  push_import parse-server _Installation.json --application shop\n"
            "  push_import parse-server --database parse --application shop\n"
            "  push_import leancloud _Installation.0.jsonl --application shop\n"
        )
        parser.add_argument("source", choices=[*TABLES, *FILES], help="What to import from.")
        parser.add_argument(
            "files",
            nargs="*",
            type=Path,
            help="Exports of parse-server or leancloud: JSON, BSON, CSV, also with gzip.",
        )
        parser.add_argument("--application", metavar="KEY", help="The devices' application here.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="NAME=KEY",
            help="The application of devices whose application_id or appIdentifier is NAME. "
            "May be given several times.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Count, and write nothing.")
        parser.add_argument("--report", type=Path, metavar="FILE", help="Write the report as JSON.")
        self._add_users(parser)
        self._add_details(parser)

    def _add_users(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--users",
            choices=[each.value for each in Users],
            help="Whether the source checked whose a device is. Default: proved for tables of "
            "this project, claimed for files.",
        )
        parser.add_argument(
            "--user-lookup",
            default="",
            metavar="FIELD",
            help="Field of this project's users with the other system's user id. "
            "Default: the primary key.",
        )
        parser.add_argument(
            "--user-field",
            default="user",
            metavar="FIELD",
            help="Field of _Installation with its user (default user).",
        )

    def _add_details(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database", metavar="ALIAS", help="Read Parse Server's table in this database."
        )
        parser.add_argument(
            "--geo-field",
            default="location",
            metavar="FIELD",
            help="Field of _Installation with its place (default location).",
        )
        parser.add_argument(
            "--environment",
            choices=[each.value for each in Environment],
            default=Environment.UNKNOWN.value,
            help="Apple's environment of devices that are new here. "
            "Default: unknown, which the first push finds out.",
        )
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="Write rows again that are as old as what is here.",
        )
        parser.add_argument(
            "--new-ids",
            action="store_true",
            help="Give devices new ids; their objectIds stay in the attributes.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        plan = self._plan(options)
        self._check_report(options["report"])
        try:
            source = self._source(options)
            report = self._run(source, plan, options["report"])
        except (DamagedExport, FieldError) as error:
            raise CommandError(str(error)) from None
        if not report.complete:
            raise CommandError(
                f"{report.problem} What was read before that is imported; "
                "run the same command again when this is mended: nothing is imported twice."
                if report.read
                else report.problem
            )
        if report.read == report.refused:
            raise CommandError("No row of it could be imported.")

    def _plan(self, options: dict[str, Any]) -> Plan:
        mapping = {}
        for pair in options["map"]:
            name, equals, key = pair.rpartition("=")
            if not equals:
                raise CommandError(f"--map {pair}: write it as NAME=KEY.")
            mapping[name] = _application(key)
        key = options["application"]
        if not key and not mapping:
            raise CommandError(f"--application is missing. {_known()}")
        return Plan(
            application=_application(key) if key else None,
            mapping=mapping,
            users=Users(options["users"]) if options["users"] else None,
            user_lookup=options["user_lookup"],
            environment=Environment(options["environment"]),
            overwrite=options["overwrite"],
            dry_run=options["dry_run"],
        )

    def _source(self, options: dict[str, Any]) -> Source:
        name, files, database = options["source"], options["files"], options["database"]
        if name in TABLES:
            if files or database:
                raise CommandError(f"{name} is read from this project's tables: name no file.")
            return TABLES[name]()
        documents = FILES[name].reads(
            user_field=options["user_field"],
            geo_field=options["geo_field"],
            new_ids=options["new_ids"],
        )
        if database and not files and name == ParseServer.name:
            return ParseServerDatabase(database, documents)
        if not files or database:
            raise CommandError("Name the files of the export (or --database, for parse-server).")
        return FILES[name](files, documents)

    def _check_report(self, path: Path | None) -> None:
        """Told now, and not after ten minutes."""
        if path is not None:
            try:
                path.touch()
            except OSError as error:
                raise CommandError(f"--report cannot be written: {error}") from None

    def _run(self, source: Source, plan: Plan, path: Path | None) -> Report:
        bar = _Bar(self)
        latest = Report()

        def tell(report: Report, part: float) -> None:
            nonlocal latest
            latest = report
            bar.show(report, part)

        try:
            report = latest = run_import(source, plan, tell)
        except KeyboardInterrupt:
            bar.end()
            self._summary(latest)
            raise CommandError(
                "Interrupted. What is counted above is stored; run the same command again, "
                "it finds what is here and goes on.",
                returncode=130,
            ) from None
        finally:
            if path is not None:
                path.write_text(json.dumps(latest.as_dict(), indent=2, ensure_ascii=False) + "\n")
        bar.end()
        self._summary(report)
        return report

    def _summary(self, report: Report) -> None:
        lines = [
            f"{'Would be' if report.dry_run else 'Imported'}: {report.created:,} created, "
            f"{report.merged:,} merged, {report.unchanged:,} unchanged, {report.refused:,} refused "
            f"of {report.read:,} read, in {report.seconds:.1f} s.",
            *(
                f"  refused, {count:,}: {reason}"
                for reason, count in report.reasons.most_common(20)
            ),
            *(f"    {place}: {reason}" for place, reason in report.refusals[:10]),
            *(f"  note, {count:,}: {note}" for note, count in report.notes.most_common()),
        ]
        self.stdout.write("\n".join(lines))


class _Bar:
    """Progress on a terminal; nothing where the output goes to a file."""

    def __init__(self, command: BaseCommand) -> None:
        self._out = command.stderr
        self._on = sys.stderr.isatty()

    def show(self, report: Report, part: float) -> None:
        if self._on:
            bar = ("#" * round(part * WIDTH)).ljust(WIDTH, "-")
            words = f"\r[{bar}] {part:4.0%}  {report.read:,} read, {report.refused:,} refused "
            self._out.write(words, style_func=str, ending="")
            self._out.flush()

    def end(self) -> None:
        if self._on:
            self._out.write("", style_func=str)


def _application(key: str) -> Application:
    found: Application | None = Application.objects.filter(key=key).first()
    if found is None:
        raise CommandError(f"There is no application with the key {key!r}. {_known()}")
    return found


def _known() -> str:
    keys = list(Application.objects.values_list("key", flat=True)[:20])
    return f"Known: {', '.join(keys)}." if keys else "Make one in the console first."
