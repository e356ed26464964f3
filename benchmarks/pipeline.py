"""A worker process that is measured from its claim of a push to the push's end.

``python -m benchmarks.pipeline seed NAME ...`` fills an empty database with applications named
``KIND-DEVICES`` or ``KIND-DEVICES-REMARK``, ``... submit NAME`` puts a push into the queue and
prints its id, ``... work ID`` sends it and prints `WorkerRun` as JSON, ``... work ID together``
says that it is ready and waits for a line before it begins, and ``... revive NAME`` makes all
devices of an application active again.
The addresses come from the environment: see benchmarks.settings.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRun:
    """What came of one push."""

    devices: int
    successes: int
    failures: int
    cpu_seconds: float
    wall_seconds: float
    started_at: float
    """``time.monotonic()`` when the worker began to look for work."""
    statements: int
    max_rss_mb: float


class Statements:
    """Counts what is sent to the database."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        self.number += 1
        return execute(sql, params, many, context)


def seed(names: list[str]) -> None:
    """Applications, each with its credential and its installations."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for name in names:
        kind, number = name.split("-")[:2]
        _fill(_application(name, kind), kind, int(number))


def _application(name: str, kind: str) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    from django_push.models import Application, Credential
    from django_push.providers.base import get_provider_class

    application = Application.objects.register(None, name, key=name)
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if kind == "fcm":
        key = rsa.generate_private_key(65_537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    content, filename = pem, "AuthKey_ABCDE12345.p8"
    if kind == "fcm":
        content, filename = _service_account(pem.decode()), "service-account.json"
    credential = Credential(application=application, provider=kind)
    credential.take_file(get_provider_class(kind).read_file(filename, content))
    if kind == "apns":
        credential.topic = "com.example.bench"
        credential.public = {**credential.public, "team_id": "ABCDE12345", "key_id": "ABCDE12345"}
    credential.save()
    return application


def _service_account(pem: str) -> bytes:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "bench",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": "bench@bench.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    ).encode()


def _fill(application: Any, kind: str, number: int) -> None:
    """Rows made by the database itself: a million through the ORM would take minutes."""
    from django.db import connection

    from django_push.models import Installation

    columns = ", ".join(f'"{field.column}"' for field in Installation._meta.fields[1:])
    values = ", ".join(_value(field, application, kind) for field in Installation._meta.fields[1:])
    table = Installation._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {number}) n"
        )
        cursor.execute(f"VACUUM ANALYZE {table}")


def _value(field: Any, application: Any, kind: str) -> str:
    """The SQL of one column; ``n`` counts the rows."""
    token = f"encode(sha256(('{application.pk}' || n::text)::bytea), 'hex')"
    special = {
        "application_id": str(application.pk),
        "public_id": f"substr({token}, 1, 24)",
        "device_type": "'ios'" if kind == "apns" else "'android'",
        "provider": f"'{kind}'",
        "address_kind": "'token'",
        "address": token,
        "address_hash": f"encode(sha256({token}::bytea), 'hex')",
        "environment": "'production'",
        "is_active": "true",
        "user_verified": "false",
        "badge": "0",
        "attributes": "'{}'::jsonb",
        "inactive_reason": "''",
    }
    if field.column in special:
        return special[field.column]
    if field.get_internal_type() == "DateTimeField":
        return "now() - interval '1 day'"
    return "NULL" if field.null else "''"


def submit(application_name: str) -> int:
    """Put a broadcast into the queue; its primary key."""
    from django_push.models import Application
    from django_push.submission import push

    history = push(
        Application.objects.get(key=application_name),
        audience={"everyone": True},
        title="Winter sale",
        body="Everything in the shop is a third cheaper until Sunday night.",
        data={"campaign": "winter"},
    )
    return history.pk


def revive(application_name: str) -> None:
    """Undo what the last push found out about dead devices."""
    from django.db import connection

    from django_push.models import Installation

    devices = Installation.objects.filter(application__key=application_name)
    devices.filter(is_active=False).update(is_active=True, inactive_reason="")
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {Installation._meta.db_table}")


def work(pk: int, *, together: bool = False) -> WorkerRun:
    """Send a push as ``manage.py push_worker`` does, and stop at its end."""
    from django.db import connection

    from django_push.models import PushHistory
    from django_push.worker import Worker

    statements, worker = Statements(), Worker()
    worker.spare_the_collector()
    histories = PushHistory.objects.filter(pk=pk)
    if together:
        print("ready", flush=True)
        sys.stdin.readline()
    started, cpu = time.monotonic(), time.process_time()
    with connection.execute_wrapper(statements):
        while True:
            worker.step()
            if not worker.is_busy and histories.filter(finished_at__isnull=False).exists():
                break
    cpu, wall = time.process_time() - cpu, time.monotonic() - started
    worker.close()
    history = histories.get()
    return WorkerRun(
        devices=history.devices,
        successes=history.successes,
        failures=history.failures,
        cpu_seconds=cpu,
        wall_seconds=wall,
        started_at=started,
        statements=statements.number,
        max_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main() -> None:
    """See the module's docstring."""
    django.setup()
    command, *arguments = sys.argv[1:]
    if command == "seed":
        seed(arguments)
    elif command == "submit":
        print(submit(arguments[0]))
    elif command == "work":
        together = arguments[1:] == ["together"]
        print(json.dumps(asdict(work(int(arguments[0]), together=together))))
    elif command == "revive":
        revive(arguments[0])


if __name__ == "__main__":
    main()
