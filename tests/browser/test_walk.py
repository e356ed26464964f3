"""The whole way, as a person walks it: credential, text, audience, confirmation, report."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from django_push.models import Credential, Notification, PushHistory, State
from tests.support.processes import make_credentials, worker_process

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_log_in_to_one_hundred_percent(console, given, simulator, devices, picture):
    page = console("/admin/django_push/")
    page.context.clear_cookies()
    page.reload()
    page.fill("#id_username", "sara")
    page.fill("#id_password", "sara")
    page.click("input[type=submit]")
    expect(page.locator(".push-steps")).to_contain_text("Add credential")
    upload_credentials(page, simulator)
    with worker_process(given):
        compose(page)
        expect(page.locator(".push-count .big")).to_have_text("43 devices")
        expect(page.locator("[data-checks]")).to_contain_text("Fits everywhere")
        picture(page, "walk-compose")
        page.click("text=Review and send…")
        confirm(page, picture)
        follow(page)
        picture(page, "walk-report")
    credentials_work(page)
    history = PushHistory.objects.get(source="console")
    assert (history.state, history.successes, history.failures) == (State.DONE, 40, 3)
    tokens = [each["token"] for each in simulator.deliveries() if each["outcome"] == "sent"]
    assert len(tokens) == len(set(tokens)) == 40


def upload_credentials(page: Page, simulator: Any) -> None:
    identity = simulator.identity
    page.click(".push-steps a")
    page.select_option("#id_provider", label="Apple")
    expect(page.locator(".field-fcm-topic")).to_be_hidden()
    key = {"name": "AuthKey_WRONG.p8", "mimeType": "text/plain", "buffer": b"not a key"}
    page.set_input_files("#id_file", key)
    page.fill("#id_apns-topic", identity.topics[0])
    page.fill("#id_apns-team_id", identity.team_id)
    page.click("input[name=_save]")
    expect(page.locator(".field-file .errorlist")).to_be_visible()
    page.set_input_files("#id_file", identity.apns_key_file)
    page.fill("#id_apns-key_id", identity.key_id)
    page.click("input[name=_addanother]")
    page.select_option("#id_provider", label="Google")
    document = json.dumps(identity.service_account).encode()
    account = {"name": "account.json", "mimeType": "application/json", "buffer": document}
    page.set_input_files("#id_file", account)
    page.click("input[name=_save]")
    assert Credential.objects.count() == 2


def credentials_work(page: Page) -> None:
    page.goto("/admin/django_push/credential/")
    expect(page.locator("td.field-state")).to_have_text(["Does not expire", "Does not expire"])
    expect(page.locator("td.field-last_check").first).to_contain_text("accepted")


def compose(page: Page) -> None:
    page.click("nav#nav-sidebar tr.model-notification a.addlink")
    page.fill("#id_title", "Half price this Sunday")
    page.fill("#id_body", "Every seat for the matinée costs half until midnight.")
    expect(page.locator(".push-ios [data-show=title]")).to_have_text("Half price this Sunday")
    expect(page.locator(".push-count")).to_contain_text("once the audience is chosen")
    page.check("input[name=audience_kind][value=channels]")
    page.fill("#id_channels", "matinee")
    expect(page.locator(".push-count .big")).to_have_text("8 devices")
    page.check("input[name=audience_kind][value=everyone]")


def confirm(page: Page, picture: Any) -> None:
    expect(page.locator(".lead")).to_have_text(
        re.compile(r"Send “Half price this Sunday” to 43 devices\?")
    )
    picture(page, "walk-confirm")
    page.click("text=Yes, send to 43 devices")
    expect(page.locator(".push-notice.bad")).to_contain_text("Nothing was sent.")
    page.fill("#id_number", "43")
    page.click("text=Yes, send to 43 devices")


def follow(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("Sent push")
    line = page.locator("[data-part=line]")
    expect(line).to_contain_text("100 %")
    expect(line).to_contain_text("Done")
    expect(page.locator(".push-figs")).to_contain_text("40")
    expect(page.locator(".push-why")).to_contain_text("The app was removed")


def test_a_test_goes_to_one_device_from_the_composer(
    console, given, simulator, application, devices
):
    make_credentials(application, simulator)
    page = console("/admin/django_push/notification/add/")
    page.fill("#id_title", "Only you")
    with worker_process(given):
        page.select_option("#id_test_device", devices[39].public_id)
        page.click("[data-send-test]")
        expect(page.locator("[data-test-result]")).to_contain_text("Apple accepted it after")
        page.select_option("#id_test_device", devices[41].public_id)
        page.click("[data-send-test]")
        expect(page.locator("[data-test-result]")).to_contain_text("The app was removed")
    own = Notification.objects.exclude(source="test")  # the draft, which saves itself
    assert own.exclude(status=Notification.Status.DRAFT).count() == 0


def test_a_credential_is_tested_from_its_page(console, given, simulator, application, devices):
    make_credentials(application, simulator)
    credential = Credential.objects.get(provider="fcm")
    page = console(f"/admin/django_push/credential/{credential.pk}/change/")
    page.select_option("#id_test_device", devices[36].public_id)
    with worker_process(given):
        page.click("[data-send-test]")
        expect(page.locator("[data-test-result]")).to_contain_text("Google accepted it after")


def test_the_same_way_without_javascript(console, given, simulator, application, devices):
    make_credentials(application, simulator)
    page = console("/admin/django_push/notification/add/", java_script_enabled=False)
    page.fill("#id_title", "Plain")
    page.check("input[name=audience_kind][value=everyone]")
    page.click("text=Review and send…")
    page.fill("#id_number", "43")
    with worker_process(given):
        page.click("text=Yes, send to 43 devices")
        history = PushHistory.objects.get()
        for _ in range(600):
            history.refresh_from_db()
            if history.finished_at:
                break
            page.wait_for_timeout(100)
        page.reload()
        expect(page.locator("[data-part=line]")).to_contain_text("100 %")


def test_pause_and_stop_while_it_waits(console, simulator, application, devices):
    make_credentials(application, simulator)
    page = console("/admin/django_push/notification/add/")
    page.fill("#id_title", "Not yet")
    page.check("input[name=audience_kind][value=everyone]")
    page.click("text=Review and send…")
    page.fill("#id_number", "43")
    page.click("text=Yes, send to 43 devices")
    page.click("text=Pause")
    expect(page.locator("[data-part=line]")).to_contain_text("Paused")
    page.click("text=Resume")
    expect(page.locator("[data-part=line]")).to_contain_text("Sending")
    page.click("text=Stop…")
    page.click("text=Yes, stop it for good")
    expect(page.locator("[data-part=line]")).to_contain_text("Stopped")
    assert simulator.deliveries() == []
