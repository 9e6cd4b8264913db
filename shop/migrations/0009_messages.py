"""Subscribe messages: templates, consents, and what was sent."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0008_wechat_public_key"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageTemplate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("coupon_given", "a coupon was given to them"),
                            ("coupon_expires", "a coupon is about to expire"),
                        ],
                        max_length=20,
                        verbose_name="when",
                    ),
                ),
                ("template_id", models.CharField(max_length=64, verbose_name="template id")),
                ("page", models.CharField(blank=True, max_length=200, verbose_name="page")),
                (
                    "keywords",
                    models.JSONField(
                        help_text='As {"thing1": "name", "time2": "until"}: name, text, until and shop are ours; what begins with "=" is said as it stands.',
                        verbose_name="keywords",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="in use")),
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
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.miniprogram",
                        verbose_name="mini program",
                    ),
                ),
            ],
            options={
                "verbose_name": "message template",
                "verbose_name_plural": "message templates",
            },
        ),
        migrations.CreateModel(
            name="MessageCredit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("left", models.PositiveSmallIntegerField(default=0)),
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
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="shop.messagetemplate",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("about", models.BigIntegerField(help_text="What it is about: a coupon's id.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "due"),
                            ("sending", "being sent, or nobody knows"),
                            ("sent", "sent"),
                            ("not_needed", "not needed any more"),
                            ("refused", "refused by WeChat"),
                        ],
                        default="due",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("act_at", models.DateTimeField(verbose_name="due at")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries")),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="what WeChat said"),
                ),
                ("sent_at", models.DateTimeField(null=True, verbose_name="sent at")),
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
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.messagetemplate",
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
            },
        ),
        migrations.AddConstraint(
            model_name="messagetemplate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_active", True)),
                fields=("merchant", "program", "event"),
                name="message_template_once",
                violation_error_message="There is one in use for this already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="messagecredit",
            constraint=models.UniqueConstraint(
                fields=("merchant", "customer", "template"), name="message_credit_once"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state", "due")), fields=["act_at"], name="message_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                fields=("merchant", "template", "about"), name="message_once"
            ),
        ),
    ]
