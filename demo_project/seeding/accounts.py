"""People who log in, the application, its keys, and its accounts at the simulated providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import orjson
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from django_push import crypto
from django_push.counting import count_segment
from django_push.exceptions import LockedSecret
from django_push.messages import Environment
from django_push.models import ApiKey, Application, Credential, Notification, Segment
from django_push.providers.base import CredentialFile, get_provider_class
from django_push.simulator.certificates import Identity, load_identity

__all__ = [
    "make_application",
    "make_credentials",
    "make_draft",
    "make_segments",
    "make_staff",
]

APPLICATION_KEY = "demo"
KEYS = (
    (ApiKey.Kind.CLIENT, "demo-client-key", "Demo apps"),
    (ApiKey.Kind.SERVER, "demo-server-key", "Demo server"),
    (ApiKey.Kind.SERVER, "demo-auth-token", "notification-server token"),
)

_COMPOSE = (
    "view_application",
    "view_credential",
    "view_installation",
    "add_segment",
    "change_segment",
    "delete_segment",
    "view_segment",
    "add_notification",
    "change_notification",
    "view_notification",
    "view_pushhistory",
    "view_pushbatch",
    "view_deliveryfailure",
)
GROUPS = {"Push editors": _COMPOSE, "Push senders": (*_COMPOSE, "send_notification")}
STAFF = {"editor": "Push editors", "sender": "Push senders"}


def make_staff() -> None:
    """``admin``, ``editor`` and ``sender``, each with the name as password."""
    users = get_user_model()._default_manager
    if not users.filter(username="admin").exists():
        users.create_superuser("admin", "admin@example.com", "admin")
    for group_name, codenames in GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=group_name)
        if is_new:
            mine = Permission.objects.filter(content_type__app_label="django_push")
            group.permissions.set(mine.filter(codename__in=codenames))
    for name, group_name in STAFF.items():
        if not users.filter(username=name).exists():
            user = users.create_user(name, f"{name}@example.com", name, is_staff=True)
            user.groups.add(Group.objects.get(name=group_name))


def make_application() -> Application:
    """The application ``demo`` with its keys."""
    application: Application | None = Application.objects.filter(key=APPLICATION_KEY).first()
    if application is None:
        application = Application.objects.register(
            get_user_model()._default_manager.filter(username="admin").first(),
            "Demo",
            description="Everything that the demo sends, it sends through the simulator.",
            key=APPLICATION_KEY,
        )
    for kind, value, name in KEYS:
        # In any state: a key that somebody revoked is not issued again.
        if not ApiKey.objects.filter(digest__in=crypto.digests(value)).exists():
            ApiKey.objects.issue(application, kind, name=name, value=value)
    return application


class _Account(NamedTuple):
    provider: str
    name: str
    filename: str
    content: bytes
    password: str = ""
    environment: Environment = Environment.PRODUCTION
    topic: str = ""
    public: Mapping[str, str] = MappingProxyType({})


def make_credentials(application: Application) -> None:
    """Accounts at the simulated Apple and Google, as staff would upload them.

    Who throws the simulator's directory away gets new keys there: they are taken over.
    """
    identity = load_identity(
        settings.SIMULATOR_STATE, token_uri=settings.DJANGO_PUSH["FCM_TOKEN_URL"]
    )
    for account in _accounts(identity):
        provider = get_provider_class(account.provider)
        found = provider.read_file(account.filename, account.content, account.password)
        credential = Credential.objects.filter(
            application=application, provider=account.provider, name=account.name
        ).first() or Credential(
            application=application,
            provider=account.provider,
            name=account.name,
            environment=account.environment,
            uploaded_by="seed_demo",
        )
        if not _holds(credential, found):
            credential.take_file(found)
            credential.topic = account.topic or credential.topic
            credential.environment = account.environment
            credential.public = {**credential.public, **account.public}
            credential.save()


def _accounts(identity: Identity) -> Iterator[_Account]:
    yield _Account(
        provider="apns",
        name="Apple",
        filename=f"AuthKey_{identity.key_id}.p8",
        content=identity.apns_key.encode(),
        topic=identity.topics[0],
        public={"key_id": identity.key_id, "team_id": identity.team_id},
    )
    yield _Account(
        provider="apns",
        name="Apple, apps from Xcode",
        filename=identity.p12_file.name,
        content=identity.p12,
        password=identity.p12_password,
        environment=Environment.SANDBOX,
    )
    yield _Account(
        provider="fcm",
        name="Google",
        filename=identity.service_account_file.name,
        content=orjson.dumps(identity.service_account),
    )


def _holds(credential: Credential, found: CredentialFile) -> bool:
    try:
        return credential.pk is not None and credential.account().secret == found.secret
    except LockedSecret:
        return False


SEGMENTS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "pro-iphones": (
            "Pro on an iPhone",
            {"device_type": {"$in": ["ios"]}, "attributes.plan": "pro"},
        ),
        "german": ("Reads German", {"locale": {"$regex": r"^\Qde\E"}}),
        "lapsed": (
            "Not seen for a week",
            {"last_seen_at": {"$lt": {"$relativeTime": "7 days ago"}}},
        ),
    }
)
"""Key, name and where."""


def make_segments(application: Application) -> None:
    """Audiences to choose in the composer, each with its number of devices beside it."""
    for key, (name, where) in SEGMENTS.items():
        segment, is_new = Segment.objects.get_or_create(
            application=application,
            key=key,
            defaults={"name": name, "audience": {"where": dict(where)}},
        )
        if is_new:
            count_segment(segment)


def make_draft(application: Application) -> None:
    """A message to play with, in three languages."""
    Notification.objects.get_or_create(
        application=application,
        name="Opening night",
        defaults={
            "content": {
                "title": "Doors open at nine",
                "body": "The first hundred guests get a drink on the house. See you tonight!",
                "sound": "default",
                "badge": 1,
                "data": {"screen": "events/opening-night"},
            },
            "texts": {
                "de": {
                    "title": "Um neun geht es los",
                    "body": "Die ersten hundert Gäste bekommen ein Getränk. Bis heute Abend!",
                },
                "es": {
                    "title": "Abrimos a las nueve",
                    "body": "Una copa gratis para los cien primeros. ¡Hasta esta noche!",
                },
            },
            "audience": {"everyone": True},
            "created_by": get_user_model()._default_manager.filter(username="editor").first(),
            "source": "demo",
        },
    )
