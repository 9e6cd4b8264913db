"""What was paid before, counted on the customers' rows; and purchases to thank for, found."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# By customer, in slices of their ids: each is a short transaction, and running it again counts anew.
COUNT = """
DO $$
DECLARE low bigint := 0; high bigint := (SELECT coalesce(max(id), 0) FROM shop_customer);
BEGIN
    WHILE low < high LOOP
        UPDATE shop_customer c SET paid_purchases = p.n, spent_fen = p.fen, last_paid_at = p.at,
            last_store_id = (SELECT o.store_id FROM orders_order o JOIN orders_purchase l
                ON l.id = o.purchase_id WHERE l.customer_id = c.id AND l.paid_at = p.at
                ORDER BY o.id LIMIT 1)
        FROM (SELECT customer_id, count(*) AS n, sum(payable_fen) AS fen, max(paid_at) AS at
              FROM orders_purchase WHERE status = 'paid'
                AND customer_id > low AND customer_id <= low + 10000 GROUP BY customer_id) p
        WHERE p.customer_id = c.id;
        COMMIT;
        low := low + 10000;
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0003_rewards"), ("shop", "0006_customers_found")]
    operations = [
        AddIndexConcurrently(
            model_name="purchase",
            index=models.Index(
                condition=models.Q(("reward_at__isnull", False)),
                fields=["reward_at"],
                name="purchase_to_reward",
            ),
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
