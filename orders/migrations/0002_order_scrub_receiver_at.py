"""When the receiver of an erased customer's order is forgotten. The index is built beside sales."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0001_initial")]
    operations = [
        migrations.AddField(
            "order", "scrub_receiver_at", models.DateTimeField(editable=False, null=True)
        ),
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["scrub_receiver_at"],
                name="order_to_scrub",
                condition=Q(scrub_receiver_at__isnull=False),
            ),
        ),
    ]
