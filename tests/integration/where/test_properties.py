"""Made-up devices and made-up conditions: the database finds whom MongoDB would find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from django_push.audience import Audience, compile_audience
from django_push.models import Application, Installation, Subscription
from django_push.where.dates import iso
from tests.support.mongo import document_of, matches

pytestmark = pytest.mark.django_db

TEXTS = st.sampled_from(
    [
        "",
        "a",
        "A",
        "b",
        "ab",
        "a ",
        " ",
        "é",
        "É",
        "e",
        "日本",
        "😀a",
        "a.b",
        "50%",
        "a_b",
        "1",
        "\\",
        "z",
    ]
)
NUMBERS = st.sampled_from([-2, 0, 1, 1.0, 1.5, 2, 100, 2**53, -0.25, 1e300])
MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=31 * each) for each in range(4)]
DATES = st.sampled_from(MOMENTS).map(lambda moment: {"__type": "Date", "iso": iso(moment)})
POINTERS = st.sampled_from(["t1", "t2"]).map(
    lambda key: {"__type": "Pointer", "className": "Team", "objectId": key}
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
TYPED = SCALARS | DATES | POINTERS
ARRAYS = st.lists(TYPED | st.lists(SCALARS, max_size=2), max_size=3)
STORED = TYPED | ARRAYS | st.fixed_dictionaries({}, optional={"y": TYPED, "0": SCALARS})
CHANNELS = ["news", "News", "sport", "été", "a"]
PLACES = [(47.1, 8.2), (-33.2, 151.4), (0.3, 179.9), (-0.2, -179.8), (89.7, 10.3), (47.3, 8.6)]

DEVICES = st.fixed_dictionaries(
    {
        "device_type": st.sampled_from(["ios", "android", "web"]),
        "app_version": TEXTS,
        "time_zone": TEXTS,
        "badge": st.integers(0, 3),
        "is_active": st.booleans(),
        "user_key": st.sampled_from(["", "7", "ana", "Ana"]),
        "user_verified": st.booleans(),
        "installation_id": st.none() | TEXTS,
        "place": st.none() | st.sampled_from(PLACES),
        "created_at": st.sampled_from(MOMENTS),
        "attributes": st.fixed_dictionaries(
            {}, optional={"x": STORED, "pre-fs": STORED, "0": TYPED}
        ),
        "channels": st.lists(st.sampled_from(CHANNELS), unique=True, max_size=3),
    }
)

LITERALS = st.sampled_from(
    ["a", "A", "b", "é", "%", "_", "日", r"\.", r"\Q50%\E", r"\\", r"\Qa.b\E"]
)
CLASSES = st.sampled_from(["[a-c]", "[^a]", "[Ab%]", "[é-ü]", r"\d", r"\w", r"[\s_]", "[^日]"])
ATOMS = LITERALS | CLASSES | st.sampled_from([".", ".*"])
SEQUENCES = st.builds(
    lambda start, atoms, end: start + "".join(atoms) + end,
    st.sampled_from(["", "^"]),
    st.lists(ATOMS, max_size=4) | st.sampled_from([["a*", "b"], ["x", "[0-9]*", "a"], ["[ab]*"]]),
    st.sampled_from(["", "$"]),
)
PATTERNS = st.lists(SEQUENCES, min_size=1, max_size=2).map("|".join)


def point(place):
    return {"__type": "GeoPoint", "latitude": place[0], "longitude": place[1]}


GEO = (
    st.builds(
        lambda place, far: {"$nearSphere": point(place), **far},
        st.sampled_from(PLACES),
        st.sampled_from(
            [
                {},
                {"$maxDistance": 0.01},
                {"$maxDistanceInRadians": 2.0},
                {"$maxDistanceInKilometers": 60},
                {"$maxDistanceInKilometers": 4000},
                {"$maxDistanceInMiles": 40},
            ]
        ),
    )
    | st.sampled_from(
        [
            {"$within": {"$box": [point((46, 8)), point((48, 8.5))]}},
            {"$within": {"$box": [point((-1, 179)), point((1, -179))]}},
            {"$geoWithin": {"$polygon": [point(p) for p in [(46, 7), (46, 9), (49, 8.4)]]}},
            {"$geoWithin": {"$polygon": [point(p) for p in [(-80, -170), (80, 0), (-80, 170)]]}},
            {"$geoWithin": {"$centerSphere": [[8.2, 47.1], 0.005]}},
            {"$exists": True},
        ]
    )
    | st.none()
)


def conditions(value, ordered, *, patterns=True):
    """What a field may be asked, its values taken from ``value``. Nothing is filtered: of what is
    made up, most would be thrown away again."""
    lists = st.lists(value, max_size=5)
    simple = (
        st.fixed_dictionaries({"$eq": value})
        | st.fixed_dictionaries({"$ne": value})
        | st.fixed_dictionaries({"$in": lists})
        | st.fixed_dictionaries({"$nin": lists})
        | st.fixed_dictionaries({"$exists": st.booleans()})
    )
    if ordered is None:
        return value | simple
    operators = [
        *[st.fixed_dictionaries({name: ordered}) for name in ("$gt", "$gte", "$lt", "$lte")],
        *[st.fixed_dictionaries({name: lists}) for name in ("$all", "$containedBy")],
        st.fixed_dictionaries({"$size": st.integers(0, 3)}),
        st.fixed_dictionaries({"$gte": ordered, "$lt": ordered}),
    ]
    if patterns:
        options = {"$options": st.just("i")}
        operators.append(st.fixed_dictionaries({"$regex": PATTERNS}, optional=options))
    asked = simple | st.one_of(operators)
    return value | asked | asked.map(lambda each: {"$not": each})


TEXT = conditions(SCALARS, NUMBERS | TEXTS)
MOMENT = conditions(DATES | st.none(), DATES, patterns=False) | st.builds(
    lambda pattern: {"$not": {"$regex": pattern}}, PATTERNS
)
USER = conditions(st.sampled_from(["7", "ana", "Ana", "x", None, ""]), st.sampled_from(["a", "z"]))
FIELDS = {
    "deviceType": TEXT,
    "appVersion": TEXT,
    "timeZone": TEXT,
    "installationId": TEXT,
    "badge": conditions(SCALARS, NUMBERS | TEXTS),
    "valid": conditions(SCALARS, NUMBERS | TEXTS),
    "user": USER,
    "deviceToken": conditions(st.sampled_from(["t0", "t1", "T1", "", None]), None),
    "channels": conditions(SCALARS | st.sampled_from(CHANNELS), NUMBERS | TEXTS),
    "createdAt": MOMENT,
    "location": GEO,
    **dict.fromkeys(
        ["x", "attributes.x", "x.y", "pre-fs", "pre-fs.0", "0", "none"],
        conditions(TYPED, NUMBERS | TEXTS | DATES),
    ),
}
ONE = st.one_of([st.fixed_dictionaries({name: condition}) for name, condition in FIELDS.items()])
SEVERAL = st.dictionaries(
    st.sampled_from(sorted(FIELDS)), st.none(), min_size=1, max_size=2
).flatmap(lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names}))
WHERES = st.recursive(
    ONE | SEVERAL,
    lambda inner: st.builds(
        lambda name, items, more: {name: items, **more},
        st.sampled_from(["$and", "$or", "$nor"]),
        st.lists(inner, min_size=1, max_size=3),
        st.just({}) | ONE,
    ),
    max_leaves=5,
)


def store(application: Application, number: int, made: dict) -> None:
    """A device as it was made up: no registration makes it likelier."""
    made = dict(made)
    channels, place = made.pop("channels"), made.pop("place")
    latitude, longitude = place or (None, None)
    if made["installation_id"] is not None:
        made["installation_id"] += f"#{number}"
    token = f"t{number}" if number % 2 else ""
    from django_push.models.registration import address_hash

    device = Installation.objects.create(
        application=application,
        provider="fcm",
        address=token,
        address_hash=address_hash(token) if token else None,
        latitude=latitude,
        longitude=longitude,
        **made,
    )
    Subscription.objects.bulk_create(
        Subscription(application=application, installation=device, channel=name)
        for name in channels
    )


@seed(20261122)
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    devices=st.lists(DEVICES, min_size=4, max_size=8),
    wheres=st.lists(WHERES, min_size=8, max_size=12),
)
def test_the_database_finds_whom_mongodb_would(application, devices, wheres):
    with transaction.atomic():
        for number, made in enumerate(devices):
            store(application, number, made)
        rows = list(Installation.objects.all())
        for trust_claimed in (False, True):  # making them up costs as much as looking for them
            documents = {
                row.pk: normal(document_of(row, trust_claimed=trust_claimed)) for row in rows
            }
            for where in wheres:
                assert_found(application, trust_claimed, where, documents)
        transaction.set_rollback(True)


def assert_found(application: Application, trust_claimed: bool, where: dict, documents) -> None:
    audience = Audience.from_json({"where": where})
    found = compile_audience(
        audience,
        Installation.objects.all(),
        application_id=application.pk,
        trust_claimed=trust_claimed,
    )
    ids = set(found.values_list("pk", flat=True))
    wanted = {pk for pk, document in documents.items() if matches(document, normal(where))}
    assert ids == wanted, (
        where,
        [documents[pk] for pk in ids ^ wanted],
        "found too much" if ids - wanted else "found too little",
    )
    assert audience.in_words()


def normal(value):
    """``attributes.x`` is the field ``x``; an empty text is no value of a column."""
    if not isinstance(value, dict):
        return [normal(each) for each in value] if isinstance(value, list) else value
    return {name.removeprefix("attributes."): normal(each) for name, each in value.items()}
