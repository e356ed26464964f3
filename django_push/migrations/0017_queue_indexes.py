"""What is still to do, in indexes of its own on PostgreSQL.

Of all pushes and batches that are kept, a handful is open. An index of these alone is short, is not
written to by what is settled, and is used whatever the server knows about the tables: without
statistics (new tables, restored databases) it read all rows that ever were for each look, as it
takes a condition on a moment to fit a third of them, and one for NULL to fit few.
Elsewhere the indexes of the models stay as they are.
"""

from django.db import migrations, models

BATCHES, PUSHES = "PushBatch", "PushHistory"
NARROWED = (
    (BATCHES, "django_push_batch_claim", ("claim_at", "not_before"), "settled_at IS NULL"),
    (BATCHES, "django_push_batch_lease", ("lease_until",), "settled_at IS NULL"),
    (PUSHES, "django_push_hist_plan", ("plan_after",), "planned_at IS NULL"),
    (PUSHES, "django_push_hist_ended", ("finished_at",), "finished_at IS NOT NULL"),
)
OPEN = (PUSHES, "django_push_hist_open", ("state", "id"), "finished_at IS NULL")


def narrow(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for model, name, columns, kept in NARROWED:
        _drop(schema_editor, name)
        _create(apps, schema_editor, model, name, columns, kept)
    _create(apps, schema_editor, *OPEN)


def widen(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for model, name, columns, _kept in NARROWED:
        _drop(schema_editor, name)
        _create(apps, schema_editor, model, name, columns)
    _drop(schema_editor, OPEN[1])


def _create(apps, schema_editor, model, name, columns, kept=""):
    quote = schema_editor.quote_name
    table = apps.get_model("django_push", model)._meta.db_table
    where = f" WHERE {kept}" if kept else ""
    schema_editor.execute(
        f"CREATE INDEX {quote(name)} ON {quote(table)} ({', '.join(map(quote, columns))}){where}"
    )


def _drop(schema_editor, name):
    schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


class Migration(migrations.Migration):
    dependencies = [("django_push", "0016_fewer_indexes")]
    operations = [
        migrations.AlterField(
            model_name="pushhistory",
            name="plan_after",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="pushhistory",
            index=models.Index(fields=["plan_after"], name="django_push_hist_plan"),
        ),
        migrations.RunPython(narrow, widen),
    ]
