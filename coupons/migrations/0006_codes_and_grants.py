"""Codes that bring coupons, and grants to many at once."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0005_lots_count"),
        ("shop", "0006_customers_found"),
    ]

    operations = [
        migrations.CreateModel(
            name="CodeBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("count", models.PositiveIntegerField(default=1, verbose_name="how many codes")),
                (
                    "uses",
                    models.PositiveIntegerField(
                        blank=True,
                        default=1,
                        help_text="1 for a code of its own for everybody; empty: as often as coupons last.",
                        null=True,
                        verbose_name="uses of each",
                    ),
                ),
                (
                    "text",
                    models.CharField(
                        blank=True,
                        help_text="For one code that everybody may know; empty: unguessable ones are made.",
                        max_length=24,
                        verbose_name="the code itself",
                    ),
                ),
                (
                    "made",
                    models.PositiveIntegerField(default=0, editable=False, verbose_name="made"),
                ),
                ("by", models.CharField(editable=False, max_length=80, verbose_name="by")),
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
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.coupontemplate",
                        verbose_name="template",
                    ),
                ),
            ],
            options={
                "verbose_name": "batch of codes",
                "verbose_name_plural": "batches of codes",
            },
        ),
        migrations.CreateModel(
            name="Code",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(max_length=24, verbose_name="code")),
                ("most", models.PositiveIntegerField(null=True)),
                ("used", models.PositiveIntegerField(default=0, verbose_name="used")),
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
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="codes",
                        to="coupons.codebatch",
                    ),
                ),
            ],
            options={
                "verbose_name": "code",
                "verbose_name_plural": "codes",
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                (
                    "audience",
                    models.CharField(
                        choices=[
                            ("segment", "customers by what they did"),
                            ("list", "a list of phones or openids"),
                        ],
                        max_length=8,
                        verbose_name="to whom",
                    ),
                ),
                ("segment", models.JSONField(blank=True, default=dict, verbose_name="segment")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "running"),
                            ("stopped", "stopped"),
                            ("sold_out", "the template ran out"),
                            ("refused", "the template gives none now"),
                            ("done", "done"),
                        ],
                        default="running",
                        editable=False,
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                (
                    "expected",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="to be looked at"
                    ),
                ),
                (
                    "looked_at",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="looked at"
                    ),
                ),
                (
                    "given",
                    models.PositiveIntegerField(default=0, editable=False, verbose_name="given"),
                ),
                ("cursor", models.BigIntegerField(default=0, editable=False)),
                (
                    "waits_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="A phone nobody has verified yet gets its coupon when somebody does.",
                        null=True,
                        verbose_name="phones wait until",
                    ),
                ),
                (
                    "key",
                    models.CharField(help_text="Of the form it was asked for with.", max_length=24),
                ),
                ("by", models.CharField(editable=False, max_length=80, verbose_name="by")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "finished_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="finished at"),
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
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.coupontemplate",
                        verbose_name="template",
                    ),
                ),
            ],
            options={
                "verbose_name": "grant",
                "verbose_name_plural": "grants",
            },
        ),
        migrations.CreateModel(
            name="GrantTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("phone_hash", models.CharField(blank=True, max_length=64)),
                ("landed_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="shop.customer",
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="targets",
                        to="coupons.grant",
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
            ],
        ),
        migrations.AddIndex(
            model_name="codebatch",
            index=models.Index(
                condition=models.Q(("made__lt", models.F("count"))),
                fields=["id"],
                name="code_batch_to_make",
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("count__gte", 1),
                    ("made__lte", models.F("count")),
                    models.Q(("uses__isnull", True), ("uses__gte", 1), _connector="OR"),
                ),
                name="code_batch_in_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), ("count", 1), _connector="OR"),
                name="code_batch_one_known_code",
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("text", ""), _negated=True),
                fields=("merchant", "text"),
                name="code_batch_known_code_once",
                violation_error_message="This code is there already.",
            ),
        ),
        migrations.AddIndex(
            model_name="code",
            index=models.Index(
                condition=models.Q(("used__gt", 0)), fields=["batch"], name="code_used_of_batch"
            ),
        ),
        migrations.AddConstraint(
            model_name="code",
            constraint=models.UniqueConstraint(fields=("merchant", "text"), name="code_once"),
        ),
        migrations.AddConstraint(
            model_name="code",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("most__isnull", True), ("used__lte", models.F("most")), _connector="OR"
                ),
                name="code_used_within_limit",
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(("state", "running")), fields=["id"], name="grant_running"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.UniqueConstraint(
                fields=("merchant", "key"),
                name="grant_key_once",
                violation_error_message="This grant has been started already.",
            ),
        ),
        migrations.AddIndex(
            model_name="granttarget",
            index=models.Index(
                condition=models.Q(
                    ("landed_at__isnull", True), models.Q(("phone_hash", ""), _negated=True)
                ),
                fields=["merchant", "phone_hash"],
                name="grant_target_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="granttarget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("customer__isnull", False)),
                fields=("merchant", "grant", "customer"),
                name="grant_target_customer_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="granttarget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("phone_hash", ""), _negated=True),
                fields=("merchant", "grant", "phone_hash"),
                name="grant_target_phone_once",
            ),
        ),
    ]
