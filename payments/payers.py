"""Who paid, once they have erased their account: the trade stays in the books, the person goes."""

from __future__ import annotations

from typing import Any, Final

from django.db import connection

# A message that was acted on proves nothing the trade's row doesn't; it holds the payer's openid.
_FORGET_SQL: Final = """
WITH theirs AS (
    SELECT y.id, y.transaction_id
    FROM payments_payment y JOIN orders_purchase p ON p.id = y.purchase_id
    WHERE y.merchant_id = %(merchant)s AND p.customer_id = %(customer)s
), told AS (
    UPDATE payments_notification n SET body = ''
    FROM theirs WHERE n.merchant_id = %(merchant)s AND n.state = 'done'
      AND n.dedupe_key = 'v2pay:' || theirs.transaction_id
)
UPDATE payments_payment y SET payer_openid = '', request = y.request - 'openid'
FROM theirs WHERE y.id = theirs.id
"""


def forget(merchant: int, customer: int) -> None:
    """No payment of this customer names them any more; amounts and numbers stay.

    Locks: their payments and the messages about them.
    """
    values: dict[str, Any] = {"merchant": merchant, "customer": customer}
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_SQL, values)
