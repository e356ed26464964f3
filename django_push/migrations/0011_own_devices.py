"""Opened pushes, opting out, and no index that serves nobody."""

import django.db.models.deletion
import django_push.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('django_push', '0010_hygiene'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='pushbatch',
            name='opened',
            field=models.BinaryField(null=True),
        ),
        migrations.AlterField(
            model_name='installation',
            name='application',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='installations', to='django_push.application', verbose_name='application'),
        ),
        migrations.AlterField(
            model_name='installation',
            name='inactive_reason',
            field=models.CharField(blank=True, choices=[('', 'none'), ('unregistered', 'the app signed off'), ('dead', 'the provider says that the app is gone'), ('wrong', 'the provider knows its token in no environment'), ('stale', 'not seen for a long time'), ('staff', 'switched off by staff'), ('opted_out', 'its user wants no pushes')], max_length=16, verbose_name='why it is switched off'),
        ),
        migrations.AddConstraint(
            model_name='installation',
            constraint=models.UniqueConstraint(fields=('public_id',), name='django_push_public_id_once'),
        ),
        migrations.AlterField(
            model_name='installation',
            name='public_id',
            field=django_push.models.fields.ExactCharField(default=django_push.models.fields.public_id, editable=False, max_length=24, verbose_name='id'),
        ),
        migrations.AlterField(
            model_name='subscription',
            name='application',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='django_push.application', verbose_name='application'),
        ),
    ]
