"""``/phones/``, fed by a real simulator that real pushes went to."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from demo_project.phones import SHOWN
from demo_project.seeding.accounts import make_credentials
from django_push.models import Application, Installation
from django_push.simulator import Simulator
from django_push.submission import push
from django_push.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def application() -> Application:
    return Application.objects.register(None, "Demo", key="demo")


@pytest.fixture
def phone(application):
    """A function that registers a phone of the page."""

    def register(device_type="ios", address="ab" * 32, **details) -> Installation:
        return Installation.objects.register(
            application, device_type=device_type, address=address, channels=["phones"], **details
        )

    return register


@pytest.fixture
def send(application, settings, tmp_path):
    """A function that sends to everyone, through a simulator that the page listens to."""
    with Simulator.run(tmp_path) as simulator:
        settings.SIMULATOR_STATE = tmp_path
        settings.SIMULATOR_CONTROL_PORT = int(simulator.control_url.rpartition(":")[2])
        settings.DJANGO_PUSH = {
            **settings.DJANGO_PUSH,
            "APNS_PRODUCTION_URL": simulator.apns_url,
            "APNS_SANDBOX_URL": simulator.sandbox_url,
            "FCM_URL": simulator.fcm_url,
            "FCM_TOKEN_URL": simulator.token_url,
            "CA_FILE": str(simulator.identity.ca_file),
        }
        make_credentials(application)
        worker = Worker(listen=False)

        def send_one(**message):
            history = push(application, audience={"everyone": True}, **message)
            assert not worker.drain(60)
            history.refresh_from_db()
            assert history.state == "done"
            return history

        yield send_one
        worker.close()


def feed(since: int | str = "") -> dict:
    response = Client().get(f"/phones/feed?since={since}")
    assert response.status_code == 200, response.content
    return json.loads(response.content)


def test_both_kinds_of_phones_show_what_was_sent(phone, send):
    apple, android = phone(), phone("android", "phone:APA91b" + "x" * 40)
    before = feed()
    assert before == {"last": 0, "arrivals": []}
    picture = "https://example.com/cat.jpg"
    send(title="Hi", subtitle="there", body="Cat", badge=3, image=picture)
    answer = feed(before["last"])
    assert answer["last"] == 2
    shown = {arrival.pop("phone"): arrival for arrival in answer["arrivals"]}
    number = shown[apple.public_id].pop("n")
    assert {number, shown[android.public_id].pop("n")} == {1, 2}
    common = {"title": "Hi", "body": "Cat", "image": picture, "badge": 3}
    assert shown[apple.public_id] == {**common, "subtitle": "there"}
    assert shown[android.public_id] == {**common, "subtitle": ""}
    assert feed(answer["last"]) == {"last": 2, "arrivals": []}


def test_a_silent_push_has_no_text(phone, send):
    phone()
    send(data={"sync": "1"})
    (arrival,) = feed(0)["arrivals"]
    assert (arrival["title"], arrival["body"], arrival["badge"]) == ("", "", None)


def test_other_devices_and_refused_pushes_are_not_shown(phone, send):
    phone(address="dead" + "0" * 60)
    stranger = phone(address="cd" * 32)
    stranger.set_channels(["news"])
    send(body="Hello")
    assert feed(0) == {"last": 2, "arrivals": []}


def test_who_comes_later_finds_the_last_three(phone, send):
    phone()
    for number in range(5):
        send(body=f"Message {number}")
    bodies = [arrival["body"] for arrival in feed()["arrivals"]]
    assert bodies == ["Message 2", "Message 3", "Message 4"]
    assert len(feed(0)["arrivals"]) == 5


def test_a_number_from_before_the_simulators_restart_is_forgotten(phone, send):
    phone()
    send(body="Hello")
    assert [arrival["body"] for arrival in feed(4711)["arrivals"]] == ["Hello"]


@pytest.mark.parametrize("since", ["x", "-1", "1.5"])
def test_a_number_that_is_none_is_refused(since):
    assert Client().get(f"/phones/feed?since={since}").status_code == 400


def test_without_simulator_the_feed_says_so(settings):
    settings.SIMULATOR_CONTROL_PORT = 1
    response = Client().get("/phones/feed")
    assert response.status_code == 502
    assert "simulator does not answer" in response.json()["error"]


class TestPage:
    def test_it_needs_no_login_and_allows_no_inline_code(self, phone):
        phone(attributes={"name": "<Ana> & co", "model": "iPhone"}, time_zone="America/Sao_Paulo")
        response = Client().get("/phones/")
        text = response.content.decode()
        assert response.status_code == 200
        assert "&lt;Ana&gt; &amp; co" in text
        assert "Sao Paulo" in text
        assert "script-src 'self'" in response["Content-Security-Policy"]
        for inline in ("<style", " style=", " onclick=", "<script>"):
            assert inline not in text

    def test_a_phone_without_name_is_shown_by_its_id(self, phone):
        device = phone()
        assert device.public_id[:8] in Client().get("/phones/").content.decode()

    def test_it_shows_a_screenful_at_most(self, phone):
        for number in range(SHOWN + 2):
            phone(address=f"{number:064x}")
        assert Client().get("/phones/").content.count(b"data-phone=") == SHOWN

    def test_without_phones_it_says_how_to_get_them(self):
        assert b"manage.py seed_demo" in Client().get("/phones/").content

    def test_a_redirect_is_told(self, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "console"}
        assert "redirected to “console”" in Client().get("/phones/").content.decode()

    def test_it_is_only_for_reading(self):
        assert Client().post("/phones/").status_code == 405
        assert Client().post("/phones/feed").status_code == 405
