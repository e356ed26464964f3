"""*Check now* asks the provider at once, keeps the answer, and says it in words."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from django_push.models import Credential, Role
from django_push.simulator import Simulator
from tests.support.processes import endpoints, make_credentials


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Simulator.run(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def simulator(running, settings):
    running.behave(reset=True)
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **endpoints(running)}
    yield running
    running.behave(reset=True)


@pytest.fixture(params=["apns", "fcm"])
def credential(request, application, simulator) -> Credential:
    make_credentials(application, simulator)
    return Credential.objects.filter(provider=request.param).first()


def address(credential: Credential) -> str:
    return reverse("admin:django_push_credential_check", args=[credential.pk])


def ask(client: Any, credential: Credential) -> dict[str, Any]:
    answer = client.post(address(credential), headers={"accept": "application/json"})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    credential.refresh_from_db()
    return found


def test_a_good_credential_is_accepted_and_no_device_gets_anything(root, credential, simulator):
    simulator.clear()
    found = ask(root, credential)
    assert found["tone"] == "ok"
    assert "takes this credential" in found["text"]
    assert credential.check_result == Credential.Check.ACCEPTED
    assert found["last_check"].endswith("accepted")
    assert all(each["outcome"] != "sent" for each in simulator.deliveries())
    assert LogEntry.objects.filter(content_type__model="credential").count() == 1


def test_a_refused_one_is_marked_and_good_again_after_a_better_answer(root, credential, simulator):
    simulator.behave(credentials="refuse")
    found = ask(root, credential)
    assert found["tone"] == "bad"
    assert "refuses this credential" in found["text"]
    assert "Refused" in found["state"]
    assert credential.check_result == Credential.Check.REFUSED
    simulator.behave(reset=True)
    assert ask(root, credential)["tone"] == "ok"
    assert credential.check_result == Credential.Check.ACCEPTED
    assert credential.check_detail == ""


def test_when_nobody_answers_what_was_known_stays(root, credential, settings):
    nowhere = "https://127.0.0.1:9"
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        **{"APNS_PRODUCTION_URL": nowhere, "FCM_URL": nowhere, "FCM_TOKEN_URL": nowhere},
    }
    Credential.objects.update(check_result="accepted", checked_at=timezone.now())
    found = ask(root, credential)
    assert found["tone"] == "warn"
    assert "What is known of it stays" in found["text"]
    assert credential.check_result == Credential.Check.ACCEPTED


def test_an_answer_ends_being_out_of_reach(root, credential):
    Credential.objects.update(down_since=timezone.now(), down_reason="No answer.")
    page = reverse("admin:django_push_credential_changelist")
    assert "Out of reach" in root.get(page).content.decode()
    ask(root, credential)
    assert credential.down_since is None


def test_a_locked_secret_names_the_cure(root, credential):
    Credential.objects.update(sealed="gAAAAA-no-key-opens-this")
    assert "upload the file again" in ask(root, credential)["text"]


def test_without_script_the_answer_is_a_message_on_the_page(root, credential):
    page = root.post(address(credential), follow=True, headers={"accept": "text/html"})
    assert page.redirect_chain
    assert "takes this credential" in page.content.decode()


def test_looking_is_no_check_and_viewers_have_no_button(staff, as_user, credential):
    viewer = as_user(staff("viewer", here=(credential.application, Role.SENDER)))
    manager = as_user(staff("manager", here=(credential.application, Role.MANAGER)))
    page = reverse("admin:django_push_credential_change", args=[credential.pk])
    assert "Check now" not in viewer.get(page).content.decode()
    assert "Check now" in manager.get(page).content.decode()
    assert viewer.post(address(credential)).status_code == 403
    assert manager.get(address(credential)).status_code == 403
    credential.refresh_from_db()
    assert credential.check_result == Credential.Check.NEVER
