"""How long counting an audience takes: a channel, and conditions on columns and attributes.

``python -m benchmarks.audience seed DEVICES`` fills an empty database, ``... count RUNS`` prints
the milliseconds of each audience as JSON. The addresses come from the environment: see
benchmarks.settings.
"""

import json
import os
import sys
import time
from typing import Any

import django

from benchmarks import postgres
from benchmarks.figures import Figure
from benchmarks.harness import run

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

MILLISECONDS = "ms"
KEY = "audience"

AUDIENCES: dict[str, dict[str, Any]] = {
    "channel": {"channels": ["c3"]},
    "two_columns": {"where": {"deviceType": "ios", "localeIdentifier": "de"}},
    "column_and_pattern": {"where": {"badge": {"$gt": 3}, "timeZone": {"$regex": "^Europe/"}}},
    "two_attributes": {"where": {"plan": "pro", "prefs.lang": {"$in": ["de", "fr"]}}},
    "channel_and_column": {"where": {"channels": "c3", "deviceType": "ios"}},
    "not_in_channel": {"where": {"channels": {"$ne": "c3"}}},
    "everyone": {"everyone": True},
}
"""A tenth of the devices is in each channel, and in each language."""

_COLUMNS = {
    "public_id": "substr(md5('p' || n), 1, 24)",
    "installation_id": "md5('i' || n)",
    "device_type": "CASE WHEN n % 3 = 0 THEN 'ios' ELSE 'android' END",
    "provider": "CASE WHEN n % 3 = 0 THEN 'apns' ELSE 'fcm' END",
    "address": "md5('t' || n) || md5('u' || n)",
    "address_hash": "md5('h' || n) || md5('g' || n)",
    "environment": "'production'",
    "badge": "n % 7",
    "time_zone": "(ARRAY['Europe/Berlin','America/New_York','Asia/Tokyo','Africa/Lagos'])[1+n%4]",
    "locale": "(ARRAY['de','en','fr','ja','en-US','pt-BR','it','es','nl','sv'])[1+n%10]",
    "app_version": "(n % 4) || '.' || (n % 9) || '.0'",
    "attributes": "jsonb_build_object('plan', (ARRAY['free','pro','team'])[1+n%3], 'score', n%1000,"
    " 'prefs', jsonb_build_object('lang', (ARRAY['de','en','fr','it'])[1+n%4]))",
}


def audiences(devices: int, runs: int) -> list[Figure]:
    """Each audience counted, exactly, among ``devices`` of PostgreSQL."""
    command = [sys.executable, "-m", "benchmarks.audience"]
    with postgres.server() as database, postgres.fresh_database(database.url) as fresh:
        os.environ["BENCH_DATABASE"] = fresh
        print(f"Filling a database with {devices:,} devices ...", file=sys.stderr)
        run([*command, "seed", str(devices)])
        found = json.loads(run([*command, "count", str(runs)]).output)
    return [
        Figure.median(f"audience_{name}_ms", MILLISECONDS, times) for name, times in found.items()
    ]


def seed(devices: int) -> None:
    """Rows made by the database itself: a million through the ORM would take minutes."""
    from django.core.management import call_command
    from django.db import connection

    from django_push.models import Application, Installation, Subscription

    call_command("migrate", verbosity=0)
    application = Application.objects.register(None, KEY, key=KEY)
    fields = [field for field in Installation._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_value(field, application.pk) for field in fields)
    table, subscriptions = Installation._meta.db_table, Subscription._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {devices}) n"
        )
        cursor.execute(
            f"INSERT INTO {subscriptions} (application_id, channel, installation_id)"
            f" SELECT application_id, 'c' || id % 10, id FROM {table}"
        )
        for name in (table, subscriptions):
            cursor.execute(f"VACUUM ANALYZE {name}")


def _value(field: Any, application: int) -> str:
    """The SQL of one column; ``n`` counts the rows."""
    if field.column == "application_id":
        return str(application)
    if field.column in _COLUMNS:
        return _COLUMNS[field.column]
    if field.null:
        return "NULL"
    if field.get_internal_type() == "DateTimeField":
        return "now() - interval '1 day'"
    default = field.get_default()
    return str(default).lower() if isinstance(default, bool | int | float) else f"'{default}'"


def count(runs: int) -> dict[str, list[float]]:
    """Milliseconds of each audience, after one count that is not taken."""
    from django_push import submission
    from django_push.models import Application

    application = Application.objects.get(key=KEY)
    found: dict[str, list[float]] = {name: [] for name in AUDIENCES}
    for turn in range(runs + 1):
        for name, audience in AUDIENCES.items():
            began = time.perf_counter()
            submission.count(application, audience)
            if turn:
                found[name].append((time.perf_counter() - began) * 1000)
    return found


if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "seed":
        seed(int(sys.argv[2]))
    else:
        print(json.dumps(count(int(sys.argv[2]))))
