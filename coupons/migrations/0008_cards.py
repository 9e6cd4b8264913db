"""Vouchers in WeChat's card pack."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0007_passes_and_counter"),
        ("shop", "0009_messages"),
    ]

    operations = [
        migrations.CreateModel(
            name="Card",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=32, verbose_name="code")),
                ("openid", models.CharField(blank=True, max_length=64)),
                ("channel", models.CharField(blank=True, max_length=60, verbose_name="channel")),
                ("sent_at", models.DateTimeField(verbose_name="sent at")),
                ("act_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=40, verbose_name="why not ours")),
                ("compared_at", models.DateTimeField(null=True, verbose_name="compared at")),
                (
                    "coupon",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="card",
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
            ],
            options={
                "verbose_name": "card",
                "verbose_name_plural": "cards",
            },
        ),
        migrations.CreateModel(
            name="WeChatBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code_mode",
                    models.CharField(
                        choices=[
                            ("WECHATPAY_MODE", "WeChat makes the codes"),
                            ("MERCHANT_API", "the coupon's own code, once it was claimed here"),
                            ("MERCHANT_UPLOAD", "a pool of our codes, drawn by WeChat"),
                        ],
                        default="WECHATPAY_MODE",
                        max_length=16,
                        verbose_name="codes",
                    ),
                ),
                (
                    "goods_name",
                    models.CharField(
                        help_text="Shown on the card, 15 characters.",
                        max_length=15,
                        verbose_name="for which goods",
                    ),
                ),
                (
                    "path",
                    models.CharField(
                        default="pages/index/index",
                        help_text="Where the card leads to in the mini program.",
                        max_length=128,
                        verbose_name="page",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("publishing", "being published"),
                            ("published", "published"),
                            ("stopping", "being stopped"),
                            ("stopped", "stopped"),
                        ],
                        default="publishing",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "stock_id",
                    models.CharField(
                        blank=True, editable=False, max_length=20, verbose_name="batch id"
                    ),
                ),
                ("request_no", models.CharField(editable=False, max_length=32)),
                ("changes", models.PositiveIntegerField(default=0, editable=False)),
                ("told_goods_name", models.CharField(blank=True, editable=False, max_length=15)),
                (
                    "told_total",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="how many at WeChat"
                    ),
                ),
                (
                    "uploaded",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="codes uploaded"
                    ),
                ),
                ("act_at", models.DateTimeField(editable=False, null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0, editable=False)),
                (
                    "error",
                    models.CharField(
                        blank=True, editable=False, max_length=200, verbose_name="what WeChat said"
                    ),
                ),
                (
                    "compare_at",
                    models.DateTimeField(
                        editable=False, null=True, verbose_name="next compared at"
                    ),
                ),
                (
                    "compare_error",
                    models.CharField(
                        blank=True, editable=False, max_length=200, verbose_name="why not compared"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.payaccount",
                        verbose_name="pay account",
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
                    "template",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batch",
                        to="coupons.coupontemplate",
                        verbose_name="template",
                    ),
                ),
            ],
            options={
                "verbose_name": "voucher at WeChat",
                "verbose_name_plural": "vouchers at WeChat",
            },
        ),
        migrations.CreateModel(
            name="CardDifference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ours", models.CharField(max_length=40, verbose_name="we say")),
                ("theirs", models.CharField(max_length=40, verbose_name="WeChat says")),
                ("found_at", models.DateTimeField(verbose_name="found at")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="closed at")),
                (
                    "card",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.card",
                        verbose_name="card",
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
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="coupons.wechatbatch",
                        verbose_name="batch",
                    ),
                ),
            ],
            options={
                "verbose_name": "difference with WeChat",
                "verbose_name_plural": "differences with WeChat",
            },
        ),
        migrations.CreateModel(
            name="CardAsk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("openid", models.CharField(max_length=64)),
                ("request_no", models.CharField(max_length=32)),
                ("at", models.DateTimeField()),
                (
                    "looked_at",
                    models.DateTimeField(help_text="When WeChat was last asked for it.", null=True),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="shop.customer",
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
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="coupons.wechatbatch",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="card",
            name="batch",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cards",
                to="coupons.wechatbatch",
            ),
        ),
        migrations.CreateModel(
            name="CardReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "call",
                    models.CharField(
                        choices=[
                            ("use", "used"),
                            ("return", "returned"),
                            ("deactivate", "deactivated"),
                        ],
                        max_length=10,
                        verbose_name="what",
                    ),
                ),
                ("request_no", models.CharField(max_length=32)),
                ("at", models.DateTimeField(verbose_name="at")),
                ("act_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries")),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="what WeChat said"),
                ),
                (
                    "card",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reports",
                        to="coupons.card",
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
            options={
                "verbose_name": "report to WeChat",
                "verbose_name_plural": "reports to WeChat",
                "indexes": [
                    models.Index(
                        condition=models.Q(("act_at__isnull", False)),
                        fields=["act_at"],
                        name="card_report_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "request_no"), name="card_report_once"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="wechatbatch",
            index=models.Index(
                condition=models.Q(("act_at__isnull", False)),
                fields=["act_at"],
                name="wechat_batch_due",
            ),
        ),
        migrations.AddIndex(
            model_name="wechatbatch",
            index=models.Index(
                condition=models.Q(("compare_at__isnull", False)),
                fields=["compare_at"],
                name="wechat_batch_to_compare",
            ),
        ),
        migrations.AddConstraint(
            model_name="wechatbatch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stock_id", ""), _negated=True),
                fields=("merchant", "stock_id"),
                name="wechat_batch_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="carddifference",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)),
                fields=("merchant", "batch", "card"),
                name="card_difference_open_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="cardask",
            index=models.Index(fields=["batch", "looked_at"], name="card_ask_of_batch"),
        ),
        migrations.AddIndex(
            model_name="cardask",
            index=models.Index(fields=["customer", "batch"], name="card_ask_of_customer"),
        ),
        migrations.AddConstraint(
            model_name="cardask",
            constraint=models.UniqueConstraint(
                fields=("merchant", "request_no"), name="card_ask_once"
            ),
        ),
        migrations.AddIndex(
            model_name="card",
            index=models.Index(
                condition=models.Q(("act_at__isnull", False)), fields=["act_at"], name="card_due"
            ),
        ),
        migrations.AddIndex(
            model_name="card",
            index=models.Index(fields=["batch", "compared_at"], name="card_to_compare"),
        ),
        migrations.AddIndex(
            model_name="card",
            index=models.Index(
                condition=models.Q(("coupon__isnull", True), ("error", "")),
                fields=["merchant", "openid"],
                name="card_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="card",
            constraint=models.UniqueConstraint(
                fields=("merchant", "batch", "code"), name="card_once"
            ),
        ),
    ]
