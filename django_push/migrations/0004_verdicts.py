"""Late batches, what the guard weighs, and credentials through which nothing gets."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('django_push', '0003_local_time'),
    ]

    operations = [
        migrations.AddField(
            model_name='credential',
            name='down_reason',
            field=models.TextField(blank=True, editable=False, verbose_name='why it is out of reach'),
        ),
        migrations.AddField(
            model_name='credential',
            name='down_since',
            field=models.DateTimeField(editable=False, null=True, verbose_name='out of reach since'),
        ),
        migrations.AddField(
            model_name='credential',
            name='next_try_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='next try'),
        ),
        migrations.AddField(
            model_name='pushbatch',
            name='late',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='pushbatch',
            name='probe',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='pushbatch',
            name='suspects',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='pushhistory',
            name='late_batches',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='installation',
            name='inactive_reason',
            field=models.CharField(blank=True, choices=[('', 'none'), ('unregistered', 'the app signed off'), ('dead', 'the provider says that the app is gone'), ('wrong', 'the provider knows its token in no environment'), ('stale', 'not seen for a long time'), ('staff', 'switched off by staff')], max_length=16, verbose_name='why it is switched off'),
        ),
    ]
