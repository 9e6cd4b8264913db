"""Limits of a template, its lots, and how a coupon was come by."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import backend.money


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0002_hot_rows"),
        ("shop", "0004_oldest_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="CouponLot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("share", models.PositiveIntegerField()),
                ("given", models.PositiveIntegerField(default=0)),
                (
                    "day",
                    models.DateField(help_text="The last day on which one was given.", null=True),
                ),
                ("given_that_day", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="CouponStoreCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("most", models.PositiveIntegerField()),
                ("given", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="coupon",
            name="coupon_status_known",
        ),
        migrations.AddField(
            model_name="coupon",
            name="store",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="shop.store",
                verbose_name="store",
            ),
        ),
        migrations.AddField(
            model_name="coupon",
            name="way",
            field=models.CharField(
                choices=[
                    ("claim", "the claim centre"),
                    ("code", "a code"),
                    ("grant", "a grant by staff"),
                    ("first_sign_in", "the first sign-in"),
                    ("payment", "a payment"),
                    ("review", "a review"),
                    ("friend", "a friend"),
                    ("wechat", "WeChat"),
                ],
                db_default="claim",
                default="claim",
                max_length=16,
                verbose_name="given by",
            ),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="budget_fen",
            field=backend.money.FenField(
                blank=True,
                help_text="Given only while all that was given can't take off more than this.",
                null=True,
                verbose_name="budget (fen)",
            ),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="given_from_fen",
            field=backend.money.FenField(
                blank=True,
                help_text="For vouchers given after a payment.",
                null=True,
                verbose_name="after paying at least (fen)",
            ),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="per_customer_per_day",
            field=models.PositiveSmallIntegerField(
                blank=True, null=True, verbose_name="per customer and day"
            ),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="per_day",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="per day"),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="per_store",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many each store gives; whoever claims says in which store they are.",
                null=True,
                verbose_name="per store",
            ),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="valid_delay_days",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="So many days after the claim the days begin to count.",
                verbose_name="valid after days",
            ),
        ),
        migrations.AddField(
            model_name="coupontemplate",
            name="way",
            field=models.CharField(
                choices=[
                    ("claim", "the claim centre"),
                    ("code", "a code"),
                    ("grant", "a grant by staff"),
                    ("first_sign_in", "the first sign-in"),
                    ("payment", "a payment"),
                    ("review", "a review"),
                    ("friend", "a friend"),
                    ("wechat", "WeChat"),
                ],
                db_default="claim",
                default="claim",
                max_length=16,
                verbose_name="given by",
            ),
        ),
        migrations.AlterField(
            model_name="coupon",
            name="status",
            field=models.CharField(
                choices=[
                    ("claimed", "unused"),
                    ("held", "held by an unpaid purchase"),
                    ("used", "used"),
                    ("expired", "expired"),
                    ("voided", "voided"),
                    ("passed", "passed on to a friend"),
                ],
                default="claimed",
                max_length=8,
                verbose_name="status",
            ),
        ),
        AddConstraintNotValid(
            model_name="coupon",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["claimed", "held", "used", "expired", "voided", "passed"])
                ),
                name="coupon_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="coupontemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("budget_fen__isnull", True), ("budget_fen__gte", 0), _connector="OR"),
                    models.Q(
                        ("per_customer_per_day__isnull", True),
                        ("per_customer_per_day__gte", 1),
                        _connector="OR",
                    ),
                    models.Q(("per_day__isnull", True), ("per_day__gte", 1), _connector="OR"),
                    models.Q(("per_store__isnull", True), ("per_store__gte", 1), _connector="OR"),
                ),
                name="coupon_template_limits_positive",
            ),
        ),
        migrations.AddField(
            model_name="couponlot",
            name="merchant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="shop.merchant",
                verbose_name="merchant",
            ),
        ),
        migrations.AddField(
            model_name="couponlot",
            name="template",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="lots",
                to="coupons.coupontemplate",
            ),
        ),
        migrations.AddField(
            model_name="couponstorecount",
            name="merchant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="shop.merchant",
                verbose_name="merchant",
            ),
        ),
        migrations.AddField(
            model_name="couponstorecount",
            name="store",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="shop.store",
            ),
        ),
        migrations.AddField(
            model_name="couponstorecount",
            name="template",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="coupons.coupontemplate",
            ),
        ),
        migrations.AddConstraint(
            model_name="couponlot",
            constraint=models.UniqueConstraint(
                fields=("merchant", "template", "number"), name="coupon_lot_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="couponlot",
            constraint=models.CheckConstraint(
                condition=models.Q(("given__lte", models.F("share"))),
                name="coupon_lot_within_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="couponstorecount",
            constraint=models.UniqueConstraint(
                fields=("merchant", "template", "store"), name="coupon_store_count_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="couponstorecount",
            constraint=models.CheckConstraint(
                condition=models.Q(("given__lte", models.F("most"))),
                name="coupon_store_count_within_limit",
            ),
        ),
    ]
