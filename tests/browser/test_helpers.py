"""What the pages do by themselves: drafts that save themselves, credentials that are asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from django_push.models import Credential, Notification
from tests.support.processes import make_credentials

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/django_push/notification/add/"


def test_a_draft_saves_itself_and_survives_a_reload(console, application, picture):
    page = console(ADD)
    line = page.locator("[data-autosave]")
    expect(line).to_have_text("Saves itself as a draft while you write.")
    page.fill("#id_title", "Half price")
    expect(line).to_contain_text("Draft saved")
    draft = Notification.objects.get()
    assert page.url.endswith(f"/notification/{draft.pk}/change/")
    page.fill("#id_body", "Until midnight")
    expect(page.locator("[name=edition]")).not_to_have_value(draft.updated_at.isoformat())
    picture(page, "autosave")
    page.reload()  # nothing is lost, so nobody is warned
    expect(page.locator("#id_body")).to_have_value("Until midnight")
    assert Notification.objects.count() == 1


def test_a_button_pressed_while_it_saves_makes_no_second_draft(console, application):
    page = console(ADD)
    page.route("**/autosave/", lambda route: (page.wait_for_timeout(700), route.continue_()))
    with page.expect_request("**/autosave/"):
        page.fill("#id_title", "Half price")
    page.click("text=Save draft")
    expect(page.locator(".messagelist")).to_contain_text("Draft saved. Nothing was sent.")
    assert Notification.objects.count() == 1


def test_somebody_elses_words_are_not_written_over(console, application):
    page = console(ADD)
    page.fill("#id_title", "Mine")
    expect(page.locator("[data-autosave]")).to_contain_text("Draft saved")
    draft = Notification.objects.get()
    draft.content = {"title": "Theirs"}
    draft.save()
    page.fill("#id_title", "Mine again")
    trouble = page.locator("[data-autosave-trouble]")
    expect(trouble).to_contain_text("Somebody else saved this draft")
    draft.refresh_from_db()
    assert draft.content == {"title": "Theirs"}


def test_check_now_tells_on_the_page(console, simulator, application, devices, picture):
    make_credentials(application, simulator)
    credential = Credential.objects.filter(provider="apns").first()
    page = console(f"/admin/django_push/credential/{credential.pk}/change/")
    expect(page.locator(".field-state .readonly")).to_have_text("Never checked")
    page.locator("[data-check-now]").focus()
    page.keyboard.press("Enter")
    said = page.locator("[data-check-said]")
    expect(said).to_contain_text("Apple takes this credential")
    expect(page.locator(".field-state .readonly")).to_have_text("Does not expire")
    expect(page.locator("[data-check-now]")).to_be_focused()
    picture(page, "check-now")
    simulator.behave(credentials="refuse")
    page.click("[data-check-now]")
    expect(said).to_contain_text("Apple refuses this credential")
    expect(page.locator(".field-state .readonly")).to_have_text("Refused")
    simulator.behave(reset=True)
