"""No index of what pushes are written to is the beginning of another: each costs every push."""

import django.db.models.deletion
import django_push.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('django_push', '0015_covering_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='deliveryfailure',
            name='history',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='delivery_failures', to='django_push.pushhistory', verbose_name='push'),
        ),
        migrations.AlterField(
            model_name='idempotencykey',
            name='application',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='django_push.application', verbose_name='application'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='application',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to='django_push.application', verbose_name='application'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('public_id',), name='django_push_notif_id_once'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='public_id',
            field=django_push.models.fields.ExactCharField(default=django_push.models.fields.public_id, editable=False, max_length=24, verbose_name='id'),
        ),
        migrations.AlterField(
            model_name='pushbatch',
            name='history',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='batches', to='django_push.pushhistory'),
        ),
        migrations.AlterField(
            model_name='pushhistory',
            name='application',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='pushes', to='django_push.application', verbose_name='application'),
        ),
        migrations.AlterField(
            model_name='pushhistory',
            name='notification',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='pushes', to='django_push.notification', verbose_name='message'),
        ),
    ]
