"""The console's pages of devices, each fetched from a registry of a million.

``python -m benchmarks.console seed DEVICES`` fills an empty database, ``... pages`` prints the
milliseconds of each page as JSON. The addresses come from the environment: see benchmarks.settings.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

from benchmarks import postgres
from benchmarks.figures import Figure
from benchmarks.harness import run

LARGE = 1_000_000
RUNS = 3
PUSHES, BROADCASTS = 20_000, 30
"""Pushes to one device each, and pushes to everybody, in the history."""
MILLISECONDS = "ms"


def console(devices: int) -> list[Figure]:
    """Every page that somebody can click together, and addresses that nobody offers."""
    command = [sys.executable, "-m", "benchmarks.console"]
    with postgres.server() as database, postgres.fresh_database(database.url) as fresh:
        os.environ["BENCH_DATABASE"] = fresh
        print(f"Filling a database with {max(devices, LARGE):,} devices ...", file=sys.stderr)
        run([*command, "seed", str(max(devices, LARGE))])
        wall, cpu = json.loads(run([*command, "pages"]).output)
    figures = [Figure.median(f"admin {name}", MILLISECONDS, each) for name, each in wall.items()]
    return [
        *figures,
        _slowest("admin_slowest_page_ms", wall),
        _slowest("admin_slowest_page_cpu_ms", cpu),
    ]


def _slowest(name: str, pages: dict[str, list[float]]) -> Figure:
    found = [Figure.median(name, MILLISECONDS, each) for each in pages.values()]
    return max(found, key=lambda figure: figure.value)


def seed(devices: int) -> None:
    """A large application, one in between, a small one whose devices are the oldest; pushes."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from django_push.models import Application, ApplicationAccess, Role

    call_command("migrate", verbosity=0)
    small, large, other = (
        Application.objects.register(None, name, key=name) for name in ("small", "large", "other")
    )
    users: Any = get_user_model()._default_manager
    users.create_superuser("root", password="root")
    clerk = users.create_user("clerk", is_staff=True, is_superuser=False)
    ApplicationAccess.objects.create(application=small, user=clerk, role=Role.MANAGER)
    _allow(clerk)
    _fill(small.pk, 300)
    _fill(large.pk, devices * 8 // 10)
    _fill(other.pk, devices - 300 - devices * 8 // 10)
    _vary()
    _fill_history(large)


def _allow(user: Any) -> None:
    from django.contrib.auth.models import Permission

    user.user_permissions.set(Permission.objects.filter(content_type__app_label="django_push"))


def _fill(application: int, number: int) -> None:
    """Rows made by the database itself: a million through the ORM would take minutes."""
    from django_push.models import Installation

    fields = [field for field in Installation._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_value(field, application) for field in fields)
    table = Installation._meta.db_table
    _execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {number}) n")


def _value(field: Any, application: int) -> str:
    """The SQL of one column; ``n`` counts the rows."""
    token = f"encode(sha256(('{application}/' || n)::bytea), 'hex')"
    special = {
        "application_id": str(application),
        "public_id": f"substr({token}, 1, 24)",
        "device_type": "CASE n % 5 WHEN 0 THEN 'android' ELSE 'ios' END",
        "provider": "CASE n % 5 WHEN 0 THEN 'fcm' ELSE 'apns' END",
        "address": token,
        "address_hash": f"encode(sha256({token}::bytea), 'hex')",
        "user_key": "CASE WHEN n % 4 = 0 THEN 'guest' ELSE 'user-' || n END",
    }
    if field.column in special:
        return special[field.column]
    if field.get_internal_type() == "DateTimeField":
        return "NULL" if field.null else "now() - interval '1 day'"
    if field.null:
        return "NULL"
    default = field.get_default()
    if isinstance(default, bool | int | float):
        return str(default).lower()
    return "'{}'::jsonb" if default == {} else f"'{default}'"


def _vary() -> None:
    """A platform that only the oldest have, some that are off, and all of them ancient."""
    from django_push.models import Installation

    table = Installation._meta.db_table
    _execute(f"UPDATE {table} SET device_type = 'tvos' WHERE id BETWEEN 20 AND 29")
    _execute(
        f"UPDATE {table} SET is_active = false, inactive_reason = 'dead'"
        f" WHERE id BETWEEN 1000 AND 1999 OR id BETWEEN 300000 AND 309999"
    )
    _execute(f"VACUUM ANALYZE {table}")


def _fill_history(application: Any) -> None:
    """Many small pushes and some broadcasts, with their ledgers."""
    from django.utils import timezone

    from django_push.models import Installation, Notification, PushBatch, PushHistory

    now = timezone.now()
    notification = Notification.objects.create(application=application, content={"title": "Hi"})
    newest = Installation.objects.latest("pk").pk
    for number in range(PUSHES + BROADCASTS):
        is_broadcast = number % (PUSHES // BROADCASTS) == 0
        if number % 2000 == 0:
            _flush(PushHistory, PushBatch)
        history = PushHistory(
            application=application,
            notification=notification,
            title="Hi",
            due_at=now + timedelta(microseconds=number),
            content={"message": {"title": "Hi"}, "audience": {"everyone": True}},
            planned_at=now,
            state="done",
            finished_at=now,
        )
        _PUSHES.append(history)
        spans = range(1, newest, 5000) if is_broadcast else (number * 37 % newest + 1,)
        size = 5000 if is_broadcast else 1
        _BATCHES.extend(_batch(history, seq, first, size, now) for seq, first in enumerate(spans))
    _flush(PushHistory, PushBatch)
    _execute(f"VACUUM ANALYZE {PushBatch._meta.db_table}, {PushHistory._meta.db_table}")


_PUSHES: list[Any] = []
_BATCHES: list[Any] = []


def _flush(pushes: Any, batches: Any) -> None:
    pushes.objects.bulk_create(_PUSHES)
    for batch in _BATCHES:
        batch.history_id = batch.history.pk
    batches.objects.bulk_create(_BATCHES, batch_size=500)
    _PUSHES.clear()
    _BATCHES.clear()


def _batch(history: Any, seq: int, first: int, size: int, now: Any) -> Any:
    from django_push.models import PushBatch

    return PushBatch(
        history=history,
        seq=seq,
        provider="apns",
        network="apns",
        device_type="ios",
        ids=b"",
        outcomes=bytes([1]) * size,
        size=size,
        first_id=first,
        last_id=first + size - 1,
        not_before=now,
        turn_at=now,
        settled_at=now,
        devices=size,
        successes=size,
    )


def _execute(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)


Times = dict[str, list[float]]


def pages() -> tuple[Times, Times]:
    """Milliseconds of each page, `RUNS` times, after one that nobody waits for: by the clock, and
    of CPU, this process's and the database's together."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    wall: Times = {}
    cpu: Times = {}
    for name in ("root", "clerk"):
        client = Client()
        client.force_login(get_user_model()._default_manager.get(username=name))
        for label, address in addresses(client):
            _fetch(client, address)
            times = [_fetch(client, address) for _ in range(RUNS)]
            wall[f"{name} {label}"] = [each[0] for each in times]
            cpu[f"{name} {label}"] = [each[1] for each in times]
    return wall, cpu


def _fetch(client: Any, address: str) -> tuple[float, float]:
    began, used = time.perf_counter(), _cpu_seconds()
    answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address}: {answer.status_code}")
    return (time.perf_counter() - began) * 1000, (_cpu_seconds() - used) * 1000


def _cpu_seconds() -> float:
    """Of this process, and of the one that serves it in a PostgreSQL on this machine."""
    from django.db import connection

    own = time.process_time()
    connection.ensure_connection()
    try:
        backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    except OSError:  # it runs elsewhere
        return own
    return own + int(backend.split()[0]) / 1e9


def addresses(client: Any) -> Iterator[tuple[str, str]]:
    """What somebody can click or type, by name."""
    from django_push.models import Application, Installation, PushHistory

    page = "/admin/django_push/installation/"
    large = Application.objects.get(key="large").pk
    small = Application.objects.get(key="small").pk
    some = Installation.objects.get(pk=500_000)
    filters = {"": "all", "platform=ios": "ios", "platform=tvos": "tvos", "platform=web": "web"}
    states = {"": "", "is_active__exact=0": " off", "is_active__exact=1": " on"}
    ofs = {"": "", f"of={large}": " of large", f"of={small}": " of small"}
    for of, of_name in ofs.items():
        for one, name in filters.items():
            for state, state_name in states.items():
                query = "&".join(part for part in (of, one, state) if part)
                yield f"{name}{state_name}{of_name}", f"{page}?{query}"
    terms = {
        "a user": "user-500001",
        "a user with 250,000 devices": "guest",
        "an id": some.public_id,
        "a token": some.address,
        "the beginning of a token": some.address[:8],
        "one character": some.address[:1],
        "nothing there": "zzzz",
    }
    for name, term in terms.items():
        yield f"search: {name}", f"{page}?q={term}"
        yield f"search: {name}, off", f"{page}?q={term}&is_active__exact=0"
    for column in range(1, 8):
        yield f"sorted by column {column}", f"{page}?o={column}"
        yield f"sorted back by column {column}", f"{page}?o=-{column}"
    yield "page 20,000 by address", f"{page}?p=20000"
    yield "the last page", f"{page}?before=40"
    yield "a deep page, off", f"{page}?before=299000&is_active__exact=0"
    if client.get(f"{page}{some.pk}/change/").status_code == 200:
        device = f"{page}{some.pk}/change/"
        yield "a device with its pushes", device
        yield "a device, older pushes", f"{device}?before=15000"
        push = PushHistory.objects.filter(application=large).latest("pk")
        yield "a device, a check", f"{device}?push={push.public_id}"


def main() -> None:
    """See the module."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.console_settings"
    django.setup()
    if sys.argv[1] == "seed":
        seed(int(sys.argv[2]))
    else:
        print(json.dumps(pages()))


if __name__ == "__main__":
    main()
