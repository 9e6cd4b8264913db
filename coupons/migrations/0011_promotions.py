"""Promotions that nobody claims, and which purchases had them."""

import django.db.models.deletion
from django.db import migrations, models

import backend.money

# On the way back: what is automatic is a draft, of which there is none to give.
AS_BEFORE = """
UPDATE coupons_coupontemplate SET is_published = false, valid_days = 1, valid_from = NULL,
    valid_until = NULL
WHERE way = 'automatic'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0010_events_by_day"),
        ("shop", "0009_messages"),
    ]

    operations = [
        migrations.CreateModel(
            name="PromotionUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        help_text="The purchase's number.", max_length=40, verbose_name="used by"
                    ),
                ),
                ("terms", models.JSONField(verbose_name="terms")),
                ("saved_fen", backend.money.FenField(verbose_name="saved (fen)")),
                (
                    "used_at",
                    models.DateTimeField(help_text="When its payment was written down.", null=True),
                ),
            ],
            options={
                "verbose_name": "promotion use",
                "verbose_name_plural": "promotion uses",
            },
        ),
        migrations.RemoveConstraint(
            model_name="coupontemplate",
            name="coupon_template_one_validity",
        ),
        migrations.RunSQL(migrations.RunSQL.noop, AS_BEFORE),
        migrations.AlterField(
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
                    ("automatic", "itself, to every purchase"),
                ],
                db_default="claim",
                default="claim",
                max_length=16,
                verbose_name="given by",
            ),
        ),
        migrations.AlterField(
            model_name="coupontemplate",
            name="ends_at",
            field=models.DateTimeField(verbose_name="offered until"),
        ),
        migrations.AlterField(
            model_name="coupontemplate",
            name="starts_at",
            field=models.DateTimeField(verbose_name="offered from"),
        ),
        migrations.AlterField(
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
                    ("automatic", "itself, to every purchase"),
                ],
                db_default="claim",
                default="claim",
                max_length=16,
                verbose_name="given by",
            ),
        ),
        migrations.AddConstraint(
            model_name="coupontemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("valid_days__isnull", True),
                        ("valid_from__isnull", False),
                        ("valid_until__gt", models.F("valid_from")),
                    ),
                    models.Q(
                        ("valid_days__gte", 1),
                        ("valid_from__isnull", True),
                        ("valid_until__isnull", True),
                    ),
                    ("way", "automatic"),
                    _connector="OR",
                ),
                name="coupon_template_one_validity",
            ),
        ),
        migrations.AddConstraint(
            model_name="coupontemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "gift"), _negated=True), ("way", "automatic"), _connector="OR"
                ),
                name="coupon_template_gift_is_automatic",
            ),
        ),
        migrations.AddConstraint(
            model_name="coupontemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("way", "automatic"), _negated=True), ("total", 0), _connector="OR"
                ),
                name="coupon_template_automatic_gives_none",
            ),
        ),
        migrations.AddField(
            model_name="promotionuse",
            name="merchant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="shop.merchant",
                verbose_name="merchant",
            ),
        ),
        migrations.AddField(
            model_name="promotionuse",
            name="template",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="uses",
                to="coupons.coupontemplate",
            ),
        ),
        migrations.AddIndex(
            model_name="promotionuse",
            index=models.Index(
                condition=models.Q(("used_at__isnull", False)),
                fields=["used_at"],
                name="promotion_use_of_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionuse",
            constraint=models.UniqueConstraint(
                fields=("merchant", "reference", "template"), name="promotion_use_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="promotionuse",
            constraint=models.CheckConstraint(
                condition=models.Q(("saved_fen__gte", 0)), name="promotion_use_not_negative"
            ),
        ),
    ]
