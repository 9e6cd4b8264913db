"""Customers by merchant, for grants; and those to be greeted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index is built beside the writers
    dependencies = [("shop", "0005_what_customers_paid")]
    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(fields=["merchant", "id"], name="customer_of_merchant"),
        ),
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(
                condition=models.Q(("greet_at__isnull", False)),
                fields=["greet_at"],
                name="customer_to_greet",
            ),
        ),
    ]
