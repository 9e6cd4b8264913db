"""When a payment is to be thanked for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0002_order_scrub_receiver_at"),
        ("shop", "0005_what_customers_paid"),
    ]

    operations = [
        migrations.AddField(
            model_name="purchase",
            name="reward_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
