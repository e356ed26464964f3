"""The packed columns of the ledger, compressed by lz4 on PostgreSQL: pglz is most of what
planning costs the server. A server built without lz4 keeps its default."""

from django.db import DatabaseError, migrations, transaction


def use_lz4(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    table = apps.get_model("django_push", "PushBatch")._meta.db_table
    for column in ("ids", "outcomes"):
        try:
            with transaction.atomic(using=connection.alias):
                schema_editor.execute(
                    f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET COMPRESSION lz4'
                )
        except DatabaseError:
            return


class Migration(migrations.Migration):
    dependencies = [("django_push", "0001_initial")]
    operations = [migrations.RunPython(use_lz4, migrations.RunPython.noop)]
