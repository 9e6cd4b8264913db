"""Which promotion took something off a line, and which goods a gift came with."""

import django.contrib.postgres.fields
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0004_what_was_paid"),
        ("shop", "0009_messages"),
    ]

    operations = [
        migrations.AddField(
            model_name="orderline",
            name="given_with",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                db_default=[],
                default=list,
                editable=False,
                help_text="A gift's goods: the lines of its purchase that it is returned with.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="reduction",
            name="promotion_id",
            field=models.BigIntegerField(null=True),
        ),
        AddConstraintNotValid(
            model_name="reduction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("coupon_id__isnull", True), ("promotion_id__isnull", True), _connector="OR"
                ),
                name="reduction_of_one_thing",
            ),
        ),
    ]
