"""Planning by a where reads an index, window by window, and sorts nothing large."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_push.audience import Audience, compile_audience
from django_push.delivery import claim_plan
from django_push.models import Application, Credential, Installation, PushBatch, Subscription
from django_push.submission import count, push

# ANALYZE TABLE of MariaDB ends a transaction, and what a test made would stay.
pytestmark = pytest.mark.django_db(transaction=connection.vendor == "mysql")

DEVICES = {"postgresql": 40_000}.get(connection.vendor, 3000)
POINT = {"__type": "GeoPoint", "latitude": 47.4, "longitude": 8.5}
WHERES = [
    {"deviceType": "ios"},
    {"badge": {"$gte": 3}, "localeIdentifier": {"$in": ["de", "fr"]}},
    {"localeIdentifier": {"$regex": "^d"}},
    {"prefs.lang": {"$ne": "de"}},
    {"tags": {"$all": ["a", "b"]}, "score": {"$gt": 5}},
    {"$or": [{"badge": 1}, {"channels": "news"}]},
    {"channels": {"$ne": "news"}},
    {"channels": "news"},
    {"location": {"$nearSphere": POINT, "$maxDistanceInKilometers": 50}},
    {"user": {"$exists": False}},
    {"$nor": [{"timeZone": "Europe/Bern"}, {"appVersion": None}]},
]


@pytest.fixture
def crowd(application):
    """A large application, and another one's devices between its own."""
    other = Application.objects.register(None, "Other", key="other")
    Credential.objects.create(application=application, provider="locmem", name="all")
    Installation.objects.bulk_create(
        (
            Installation(
                application=other if number % 4 == 0 else application,
                device_type="ios" if number % 3 else "android",
                provider="apns" if number % 3 else "fcm",
                address=f"t{number}",
                address_hash=f"{number:064}",
                locale="de" if number % 5 else "fr",
                badge=number % 7,
                attributes={
                    "prefs": {"lang": "de" if number % 2 else "it"},
                    "tags": ["a", "b"],
                    "score": number % 100,
                },
            )
            for number in range(DEVICES)
        ),
        batch_size=500,
    )
    rows = Installation.objects.filter(application=application, badge=0)
    Subscription.objects.bulk_create(
        (
            Subscription(application=application, channel="news", installation_id=pk)
            for pk in rows.values_list("pk", flat=True)
        ),
        batch_size=500,
    )
    with connection.cursor() as cursor:
        for model in (Installation, Subscription):
            words = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
            cursor.execute(f"{words} {model._meta.db_table}")
    return application


def devices_of(application: Application, where: dict) -> int:
    audience = Audience.from_json({"where": where})
    rows = Installation.objects.all()
    return compile_audience(audience, rows, application_id=application.pk).count()


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        words = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{words} {sql}")
        names = [column[0] for column in cursor.description]
        return "\n".join(str(dict(zip(names, row, strict=True))) for row in cursor.fetchall())


def assert_reads_an_index(plan: str) -> None:
    table = Installation._meta.db_table
    match connection.vendor:
        case "postgresql":
            assert f"Seq Scan on {table}" not in plan, plan
            assert f"on {table}" in plan, plan
        case "sqlite":
            assert f"SCAN {table}" not in plan, plan
        case _:
            assert f"'table': '{table}', 'type': 'ALL'" not in plan, plan


def test_every_window_reads_an_index(crowd, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 200}
    for where in WHERES:
        history = push(crowd, audience={"where": where}, title="Hi")
        with CaptureQueriesContext(connection) as queries:
            plan = claim_plan("tests")
            while plan.step():
                pass
        table = connection.ops.quote_name(Installation._meta.db_table)
        windows = [each["sql"] for each in queries if "ORDER BY" in each["sql"]]
        windows = [sql for sql in windows if f"FROM {table}" in sql and " > " in sql]
        assert windows, where
        for sql in {windows[0], windows[len(windows) // 2], windows[-1]}:
            assert_reads_an_index(plan_of(sql))
        history.refresh_from_db()
        assert history.planned_at is not None
        found = sum(PushBatch.objects.filter(history=history).values_list("size", flat=True))
        assert found == devices_of(crowd, where)


@pytest.mark.django_db(transaction=True)  # VACUUM is not for transactions
def test_counting_a_channel_reads_no_row(crowd):
    """On PostgreSQL: what a count asks of a device is in an index, with all of its columns."""
    with CaptureQueriesContext(connection) as queries:
        found = count(crowd, {"channels": ["news"]})
    assert found.devices == Subscription.objects.count()
    [sql] = [each["sql"] for each in queries if "GROUP BY" in each["sql"]]
    if connection.vendor != "postgresql":
        assert_reads_an_index(plan_of(sql))
        return
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {Installation._meta.db_table}")
    assert "Index Only Scan using django_push_inst_counted" in plan_of(sql)
