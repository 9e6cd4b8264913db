"""What vouchers brought, by day, store and channel."""

import django.db.models.deletion
from django.db import migrations, models

import backend.money


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0008_cards"),
        ("shop", "0009_messages"),
    ]

    operations = [
        migrations.CreateModel(
            name="CouponFigure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                ("channel", models.CharField(max_length=60, verbose_name="channel")),
                ("given", models.PositiveIntegerField(default=0, verbose_name="given")),
                ("used", models.PositiveIntegerField(default=0, verbose_name="used")),
                ("given_back", models.PositiveIntegerField(default=0, verbose_name="given back")),
                ("expired", models.PositiveIntegerField(default=0, verbose_name="expired")),
                ("saved_fen", backend.money.FenField(default=0, verbose_name="discount granted")),
                ("sales_fen", backend.money.FenField(default=0, verbose_name="sales brought in")),
            ],
        ),
        migrations.CreateModel(
            name="CouponFigureDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("counted_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="couponfigure",
            name="merchant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="shop.merchant",
                verbose_name="merchant",
            ),
        ),
        migrations.AddField(
            model_name="couponfigure",
            name="store",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="shop.store",
                verbose_name="store",
            ),
        ),
        migrations.AddField(
            model_name="couponfigure",
            name="template",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="figures",
                to="coupons.coupontemplate",
            ),
        ),
        migrations.AddIndex(
            model_name="couponfigure",
            index=models.Index(fields=["day"], name="coupon_figure_of_day"),
        ),
        migrations.AddConstraint(
            model_name="couponfigure",
            constraint=models.UniqueConstraint(
                fields=("merchant", "template", "day", "store", "channel"),
                name="coupon_figure_once",
                nulls_distinct=False,
            ),
        ),
    ]
