"""A count that takes too long is stopped by the database, with a word for whoever waits."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, transaction

from django_push import submission
from django_push.exceptions import InvalidPush
from django_push.models import Installation
from django_push.time_limit import TookTooLong, time_limit

SLOW = {
    "postgresql": "SELECT pg_sleep(20)",
    "mysql": "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT COUNT(*) FROM n",
}
"""Each would go on for ever, or nearly."""


def go_slow() -> None:
    with connection.cursor() as cursor:
        cursor.execute(SLOW[connection.vendor])


@pytest.mark.django_db(transaction=True)
def test_the_database_is_stopped_and_the_connection_lives_on():
    with pytest.raises(TookTooLong), time_limit(0.2, "default"):
        go_slow()
    assert not Installation.objects.exists()


@pytest.mark.django_db
def test_a_transaction_around_it_lives_on_too(application):
    with transaction.atomic():
        with pytest.raises(TookTooLong), time_limit(0.2, "default"):
            go_slow()
        application.name = "Still here"
        application.save()
    application.refresh_from_db()
    assert application.name == "Still here"


@pytest.mark.django_db
def test_the_limit_ends_with_its_block():
    with time_limit(20, "default"):
        Installation.objects.count()
    name = {"postgresql": "current_setting('statement_timeout')", "mysql": "@@max_statement_time"}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name.get(connection.vendor, '0')}")
        assert float(cursor.fetchone()[0]) == 0


@pytest.mark.django_db
def test_nothing_is_compiled_just_in_time_while_somebody_waits():
    """PostgreSQL would, for longer than the count takes; the others never do."""
    sql = "current_setting('jit')" if connection.vendor == "postgresql" else "'off'"

    def compiles() -> str:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {sql}")
            return str(cursor.fetchone()[0])

    before = compiles()
    with time_limit(5, "default"):
        assert compiles() == "off"
    assert compiles() == before


@pytest.mark.django_db
def test_other_troubles_stay_what_they_are():
    with pytest.raises(OperationalError, match="gone"), time_limit(5, "default"):
        raise OperationalError("the server has gone away")


@pytest.mark.django_db(transaction=True)
def test_a_count_that_takes_too_long_says_so(application, device, settings):
    for number in range(300):
        device(f"t{number}", attributes={"tags": [f"a{each}" for each in range(100)]})
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "COUNT_SECONDS": 0.001}
    where = {"tags": {"$regex": ".*x.*y.*z|.*q.*r.*s", "$options": "i"}}
    with pytest.raises(InvalidPush) as caught:
        submission.count(application, {"where": where})
    assert (caught.value.code, caught.value.field) == ("too_slow", "audience")
    assert "0.001 seconds" in caught.value.message


@pytest.mark.django_db
def test_no_limit_is_no_statement(application, device, settings, django_assert_num_queries):
    device("t1")
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "COUNT_SECONDS": None}
    submission.count(application, {"where": {"badge": 0}})
    with django_assert_num_queries(0), time_limit(None, "default"):
        pass
