"""What became of pushes at one device: for server keys and staff, in the console's words."""

from __future__ import annotations

import pytest

from django_push.models import Installation, Role
from django_push.submission import push
from django_push.traces import Outcome, Why, ledgers, pushes_to, trace_words
from django_push.worker import Worker

from .conftest import bearer, refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def send(application):
    worker = Worker(listen=False)

    def sent(title: str, *devices: Installation):
        listed = {"installations": [device.public_id for device in devices]}
        history = push(application, audience=listed, title=title)
        worker.drain(5)
        history.refresh_from_db()
        return history

    yield sent
    worker.close()


def address(device, history=None) -> str:
    base = f"/push/api/installations/{device.public_id}/history/"
    return f"{base}{history.public_id}/" if history else base


def test_each_push_with_its_outcome_in_the_words_of_the_console(server, device, send):
    dead, well = device("gone" + "0" * 60), device("a" * 64)
    history = send("Doors open at nine", dead, well)
    (found,) = server.get(address(dead)).json()["results"]
    assert (found["push"], found["title"]) == (str(history.public_id), "Doors open at nine")
    assert (found["outcome"], found["status"], found["switched_off"]) == (
        "dead",
        "unregistered",
        True,
    )
    assert found["reason"]
    words = trace_words(pushes_to(dead).traces[0])
    assert (found["text"], found["cure"]) == (words.text, words.cure)
    (found,) = server.get(address(well)).json()["results"]
    assert (found["outcome"], found["text"], found["tries"]) == ("sent", "Memory accepted it.", 1)
    assert found["at"].endswith("Z")
    assert found["until"] is None


def test_pages_are_followed_by_next(server, device, send, monkeypatch):
    monkeypatch.setattr(ledgers, "PIECE", 3)
    phone, other = device("a" * 64), device("b" * 64)
    sent = [send(f"Number {number}", phone if number % 2 else other) for number in range(9)]
    seen, page = [], address(phone) + "?limit=2"
    while page:
        answer = server.get(page).json()
        assert len(answer["results"]) <= 2
        seen += [each["push"] for each in answer["results"]]
        page = answer["next"]
    assert seen == [str(each.public_id) for each in reversed(sent[1::2])]


def test_a_push_that_was_not_for_it_says_why(server, device, send):
    one, other = device("a" * 64), device("b" * 64)
    history = send("Only for one", one)
    found = server.get(address(other, history)).json()
    assert (found["targeted"], found["why"], found["certain"]) == (False, "not_listed", True)
    assert found["text"] == "The push was for certain devices, and not for this one."
    assert found["outcome"] is None
    found = server.get(address(one, history)).json()
    assert (found["targeted"], found["why"], found["outcome"]) == (True, None, "sent")


def test_what_is_only_suggested_is_not_certain(server, application, device, send):
    device("a" * 64, channels=["news"])
    phone = device("b" * 64)
    history = push(application, audience={"channels": ["news"]}, title="News")
    send("Something else", phone)
    found = server.get(address(phone, history)).json()
    assert (found["why"], found["certain"]) == ("other_channel", False)


def test_others_have_no_such_device_and_no_such_push(
    server, foreign_key, phone, device, send, other
):
    mine = device("a" * 64)
    history = send("Secret", mine)
    theirs = Installation.objects.register(other, device_type="ios", address="c" * 64)
    for path in (address(mine), address(mine, history)):
        assert bearer(foreign_key).get(path).status_code == 404
        refused(phone.get(path), 403, "client_key")
    assert server.get(address(theirs)).status_code == 404
    assert bearer(foreign_key).get(address(theirs, history)).status_code == 404


def test_staff_need_both_permissions(staff, application, device, send):
    mine = device("a" * 64)
    send("Hi", mine)
    for permissions in (["view_installation"], ["view_pushhistory"]):
        client = staff(*permissions)
        refused(client.get(address(mine)), 403, "permission_missing")
    client = staff(
        "view_installation", "view_pushhistory", application=application, role=Role.VIEWER
    )
    assert len(client.get(address(mine)).json()["results"]) == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [("limit=0", "wrong_value"), ("cursor=7", "wrong_value"), ("push=7", "unknown_filter")],
)
def test_what_cannot_be_used_is_refused(server, device, query, code):
    refused(server.get(f"{address(device('a' * 64))}?{query}"), 400, code)


def test_the_document_lists_every_code(server):
    schemas = server.get("/push/api/schema/").json()["components"]["schemas"]
    text = str(
        [schemas["Trace"], schemas["Checked"], schemas.get("OutcomeEnum"), schemas.get("WhyEnum")]
    )
    for code in [*Outcome, *Why]:
        assert f"'{code}'" in text
