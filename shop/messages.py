"""Messages to people who agreed to be told: asked for, planned, sent at most once, not at night."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.db import connection
from django.db.models import F
from django.utils import timezone

from backend.wechat.errors import Refused, Retry
from shop import merchants
from shop.models import Customer, Identity, Message, MessageCredit, MessageTemplate

log = logging.getLogger(__name__)

Event = MessageTemplate.Event
State = Message.State
QUIET_FROM: Final = 22  # o'clock, in the shop's own zone
QUIET_UNTIL: Final = 8
_MOST_CREDITS: Final = 30
_TRIES: Final = 6
# Source: 订阅消息参数值内容限制. What is longer is refused (47003), so it is cut here.
_LONGEST: Final[Mapping[str, int]] = {
    "thing": 20, "name": 10, "phrase": 5, "character_string": 32, "number": 32, "letter": 32,
    "symbol": 5, "amount": 12, "phone_number": 17, "car_number": 8,
}  # fmt: skip
_NO_CREDIT: Final = "43101"
KEYWORDS: Final = ("name", "text", "until", "shop")


def waking(at: dt.datetime) -> dt.datetime:
    """The moment itself, or the morning after where it falls into the night."""
    local = timezone.localtime(at)
    morning = local.replace(hour=QUIET_UNTIL, minute=0, second=0, microsecond=0)
    if local.hour >= QUIET_FROM:
        return morning + dt.timedelta(days=1)
    return morning if local.hour < QUIET_UNTIL else at


def templates(merchant: int, appid: str) -> list[MessageTemplate]:
    """What a mini program may ask its shoppers to be told of."""
    rows = MessageTemplate.objects.filter(merchant_id=merchant, is_active=True)
    return list((rows.filter(program__appid=appid) if appid else rows).order_by("pk"))


_AGREE_SQL: Final = """
INSERT INTO shop_messagecredit AS c (merchant_id, customer_id, template_id, "left", last_key)
SELECT t.merchant_id, %(customer)s, t.id, 1, %(key)s FROM shop_messagetemplate t
WHERE t.merchant_id = %(merchant)s AND t.is_active AND t.template_id = ANY(%(ids)s)
ON CONFLICT (merchant_id, customer_id, template_id)
DO UPDATE SET "left" = least(c.left + 1, %(most)s), last_key = excluded.last_key
WHERE excluded.last_key IS NULL OR c.last_key IS DISTINCT FROM excluded.last_key
"""


def agree(customer: Customer, template_ids: Sequence[str], *, key: str | None = None) -> None:
    """The customer accepted these in the prompt: each may be sent once more. Said again with the
    same key, it counts once.

    Locks: the customer's credits.
    """
    values: dict[str, Any] = {
        "customer": customer.pk,
        "merchant": customer.merchant_id,
        "ids": list(template_ids),
        "most": _MOST_CREDITS,
        "key": key,
    }
    with connection.cursor() as cursor:
        cursor.execute(_AGREE_SQL, values)


# A credit is spent when a message is planned; both or neither, in one statement, and in the order
# of credits, so that two of them don't wait for one another. `given`: customers, and what about.
PLAN_SQL: Final = """
ready AS (
    SELECT c.id, c.template_id, c.customer_id, g.about
    FROM {given} g JOIN shop_messagecredit c ON c.customer_id = g.customer
        AND c.merchant_id = %(merchant)s
    JOIN shop_messagetemplate t ON t.id = c.template_id
    WHERE c."left" > 0 AND t.event = %(message_event)s AND t.is_active
      AND NOT EXISTS (SELECT 1 FROM shop_message m WHERE m.merchant_id = c.merchant_id
                      AND m.template_id = c.template_id AND m.about = g.about)
    ORDER BY c.id FOR NO KEY UPDATE OF c
), planned AS (
    INSERT INTO shop_message (merchant_id, template_id, customer_id, about, state, act_at, tries,
        error)
    SELECT %(merchant)s, template_id, customer_id, about, 'due', %(message_at)s, 0, '' FROM ready
    ON CONFLICT DO NOTHING
    RETURNING id, template_id, customer_id
), spent AS (
    UPDATE shop_messagecredit c SET "left" = c."left" - 1
    FROM ready JOIN planned p USING (template_id, customer_id)
    WHERE c.id = ready.id
)"""
_PLAN_ONE_SQL: Final = "WITH PLAN SELECT count(*) FROM planned".replace(
    "PLAN",
    PLAN_SQL.format(given="(SELECT %(customer)s::bigint AS customer, %(about)s::bigint AS about)"),
)


def plan_values(event: MessageTemplate.Event, at: dt.datetime) -> dict[str, Any]:
    """What PLAN_SQL asks besides the merchant and those it is for."""
    return {"message_event": event.value, "message_at": waking(at)}


def plan(
    event: MessageTemplate.Event, *, merchant: int, customer: int, about: int, at: dt.datetime
) -> int:
    """Tell a customer of something then, where they agreed to be told. How many messages.

    Again, it is planned once.

    Locks: the customer's credits.
    """
    values = {"merchant": merchant, "customer": customer, "about": about}
    with connection.cursor() as cursor:
        cursor.execute(_PLAN_ONE_SQL, values | plan_values(event, at))
        return int(cursor.fetchone()[0])


def due(events: Sequence[MessageTemplate.Event], at: dt.datetime, limit: int) -> list[int]:
    """Messages that are to be sent now; none at night."""
    if waking(at) != at:
        return []
    rows = Message.objects.filter(state=State.DUE, act_at__lte=at, template__event__in=events)
    return list(rows.order_by("act_at").values_list("pk", flat=True)[:limit])


def send(pk: int, says: Callable[[Message], Mapping[str, str] | None]) -> None:
    """Send a message at most once; `says` knows its words, or None where it isn't needed any more.

    Locks: none while WeChat is asked; whoever writes `sending` first has it.
    """
    mine = Message.objects.filter(pk=pk, state=State.DUE).update(
        state=State.SENDING, tries=F("tries") + 1
    )
    if not mine:
        return
    message = Message.objects.select_related("template__program", "customer", "merchant").get(pk=pk)
    words = says(message) if message.template.is_active else None
    openid = (
        Identity.objects.filter(
            merchant_id=message.merchant_id,
            customer_id=message.customer_id,
            appid=message.template.program.appid,
        )
        .values_list("openid", flat=True)
        .first()
    )
    if words is None or openid is None:
        _end(message, State.NOT_NEEDED)
        return
    try:
        merchants.platform(message.template.program).send_message(
            openid, message.template.template_id, page=message.template.page,
            data=data(message.template.keywords, {**words, "shop": message.merchant.name}),
        )  # fmt: skip
    except Refused as error:
        _refused(message, error)
    except Retry as error:
        _doubted(message, error)
    else:
        _end(message, State.SENT)


def _refused(message: Message, error: Refused) -> None:
    if error.code == _NO_CREDIT:
        # They took their word back; WeChat knows better than we.
        MessageCredit.objects.filter(
            merchant_id=message.merchant_id,
            customer_id=message.customer_id,
            template_id=message.template_id,
        ).update(left=0)
    else:
        log.error("WeChat refuses message template %s: %s", message.template_id, error.code)
    _end(message, State.REFUSED, str(error))


def _doubted(message: Message, error: Retry) -> None:
    """WeChat said later: then later. It said nothing: it may have been sent, so never again."""
    if error.code in ("no_answer", "-1"):
        _end(message, State.SENDING, str(error))
        return
    if message.tries >= _TRIES:
        _end(message, State.REFUSED, str(error))
        return
    message.act_at = timezone.now() + dt.timedelta(minutes=2**message.tries)
    _end(message, State.DUE, str(error))


def _end(message: Message, state: Message.State, error: str = "") -> None:
    message.state, message.error = state, error[:200]
    message.sent_at = timezone.now() if state == State.SENT else None
    message.save(update_fields=["state", "error", "sent_at", "act_at"])


def data(keywords: Mapping[str, str], words: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Each keyword of a template with what it says, cut to what WeChat takes."""
    said = {}
    for keyword, source in keywords.items():
        text = source[1:] if source.startswith("=") else words.get(source, "")
        text = " ".join("".join(c for c in text if c.isprintable()).split()) or "-"
        longest = _LONGEST.get(keyword.rstrip("0123456789"), 32)
        said[keyword] = {"value": text if len(text) <= longest else f"{text[: longest - 1]}…"}
    return said


def check(keywords: Any) -> bool:
    """Whether keywords are ours to fill in."""
    return (
        isinstance(keywords, dict)
        and 1 <= len(keywords) <= 8
        and all(
            isinstance(name, str)
            and name.rstrip("0123456789") in {*_LONGEST, "time", "date"}
            and name[-1:].isdigit()
            and isinstance(value, str)
            and (value in KEYWORDS or (value.startswith("=") and 1 < len(value) <= 40))
            for name, value in keywords.items()
        )
    )
