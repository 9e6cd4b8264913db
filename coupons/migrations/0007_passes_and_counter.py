"""Links to a friend, redemptions at a counter, tills."""

import django.db.models.deletion
from django.db import migrations, models

import backend.encryption
import backend.money


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0006_codes_and_grants"),
        ("shop", "0007_staff_in_the_mini_program"),
    ]

    operations = [
        migrations.CreateModel(
            name="CouponPass",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "coupon",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.coupon",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.merchant",
                        verbose_name="merchant",
                    ),
                ),
                (
                    "taken",
                    models.OneToOneField(
                        help_text="The friend's coupon.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.coupon",
                    ),
                ),
            ],
            options={
                "verbose_name": "passed voucher",
                "verbose_name_plural": "passed vouchers",
            },
        ),
        migrations.CreateModel(
            name="Till",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                (
                    "key",
                    models.CharField(
                        editable=False, max_length=24, unique=True, verbose_name="key"
                    ),
                ),
                (
                    "secret",
                    backend.encryption.EncryptedTextField(editable=False, verbose_name="secret"),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="in use")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.merchant",
                        verbose_name="merchant",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "till",
                "verbose_name_plural": "tills",
            },
        ),
        migrations.CreateModel(
            name="Redemption",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=24, verbose_name="number")),
                ("bill_fen", backend.money.FenField(null=True, verbose_name="bill (fen)")),
                ("saved_fen", backend.money.FenField(verbose_name="taken off (fen)")),
                ("request_key", models.CharField(editable=False, max_length=100)),
                ("request_hash", models.CharField(editable=False, max_length=64)),
                ("by", models.CharField(max_length=80, verbose_name="by")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("undone_at", models.DateTimeField(null=True, verbose_name="undone at")),
                (
                    "undone_by",
                    models.CharField(blank=True, max_length=80, verbose_name="undone by"),
                ),
                (
                    "coupon",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.coupon",
                        verbose_name="coupon",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.merchant",
                        verbose_name="merchant",
                    ),
                ),
                (
                    "staff",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="shop.staff",
                        verbose_name="staff",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.store",
                        verbose_name="store",
                    ),
                ),
                (
                    "till",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="coupons.till",
                        verbose_name="till",
                    ),
                ),
            ],
            options={
                "verbose_name": "redemption",
                "verbose_name_plural": "redemptions",
                "indexes": [
                    models.Index(fields=["merchant", "store", "-id"], name="redemption_of_store")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "number"), name="redemption_number_once"
                    ),
                    models.UniqueConstraint(
                        fields=("merchant", "request_key"), name="redemption_request_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("saved_fen__gte", 0),
                            models.Q(
                                ("bill_fen__isnull", True),
                                ("bill_fen__gte", models.F("saved_fen")),
                                _connector="OR",
                            ),
                        ),
                        name="redemption_within_the_bill",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TillNonce",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("nonce", models.CharField(max_length=64)),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "till",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="coupons.till",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("till", "nonce"), name="till_nonce_once")
                ],
            },
        ),
    ]
