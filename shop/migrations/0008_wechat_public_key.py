"""WeChat's public key, which API v3 is verified with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0007_staff_in_the_mini_program"),
    ]

    operations = [
        migrations.AddField(
            model_name="payaccount",
            name="public_key_id",
            field=models.CharField(
                blank=True,
                help_text="PUB_KEY_ID_…",
                max_length=64,
                verbose_name="WeChat Pay public key ID",
            ),
        ),
        migrations.AddField(
            model_name="payaccount",
            name="public_key_pem",
            field=models.TextField(blank=True, verbose_name="WeChat Pay public key (PEM)"),
        ),
    ]
