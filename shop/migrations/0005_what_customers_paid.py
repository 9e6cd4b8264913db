"""What a customer's own row says of what they paid, and when they are to be greeted."""

import django.contrib.postgres.fields
from django.db import migrations, models

import backend.money


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0004_oldest_first"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="greet_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="customer",
            name="last_paid_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="last paid at"),
        ),
        migrations.AddField(
            model_name="customer",
            name="last_store_id",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="customer",
            name="paid_purchases",
            field=models.PositiveIntegerField(
                db_default=0, default=0, editable=False, verbose_name="paid purchases"
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="spent_fen",
            field=backend.money.FenField(
                db_default=0, default=0, editable=False, verbose_name="spent (fen)"
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="tags",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=24),
                blank=True,
                db_default=[],
                default=list,
                size=None,
                verbose_name="tags",
            ),
        ),
    ]
