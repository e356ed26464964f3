"""A look for work reads what is open, whatever has been sent before, and however new the tables
are: the database has no statistics here, as after a migration or a restore."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.delivery import claim, claim_plan
from django_push.models import Notification, PushBatch, PushHistory, State
from django_push.scheduler import tick

pytestmark = pytest.mark.django_db(transaction=True)

PAST = 3_000


@pytest.fixture
def past(application) -> None:
    """Pushes that are over."""
    now = timezone.now()
    messages = [Notification(application=application) for _ in range(PAST)]
    for message, saved in zip(messages, Notification.objects.bulk_create(messages), strict=True):
        message.pk = saved.pk
    ids = list(Notification.objects.values_list("pk", flat=True))
    over = {"state": State.DONE, "due_at": now, "planned_at": now, "finished_at": now}
    PushHistory.objects.bulk_create(
        [PushHistory(application=application, notification_id=pk, **over) for pk in ids]
    )
    PushBatch.objects.bulk_create(
        PushBatch(
            history_id=pk,
            seq=0,
            provider="apns",
            ids=b"",
            outcomes=b"",
            size=1,
            first_id=1,
            last_id=1,
            not_before=now,
            turn_at=now,
            settled_at=now,
        )
        for pk in PushHistory.objects.values_list("pk", flat=True)
    )


def scans(sql: str) -> bool:
    """Whether the database would read a whole table of pushes or batches."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            said = [row[3] for row in cursor.fetchall()]
            return any(line.startswith("SCAN django_push_push") for line in said)
        cursor.execute(f"EXPLAIN {sql}")
        rows = cursor.fetchall()
    if connection.vendor == "mysql":
        whole = {"ALL", "index"}
        return any(row[3] in whole and str(row[2]).startswith("django_push_push") for row in rows)
    return any("Seq Scan on django_push_push" in row[0] for row in rows)


@pytest.mark.parametrize("look", [lambda: claim_plan("me"), lambda: claim("me"), tick])
def test_it_reads_no_table_from_end_to_end(past, look):
    look()
    with CaptureQueriesContext(connection) as captured:
        look()
    asked = [
        query["sql"]
        for query in captured.captured_queries
        if query["sql"].startswith("SELECT") and "django_push_push" in query["sql"]
    ]
    assert asked
    assert [sql for sql in asked if scans(sql)] == []
