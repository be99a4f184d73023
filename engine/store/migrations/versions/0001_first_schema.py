"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a store is never taken back to an older schema."""
    op.create_table(
        "experiment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_experiment"),
        sa.UniqueConstraint("name", name="uq_experiment_name"),
    )
    op.create_table(
        "store_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_store_state"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=True),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("intent", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=True),
        sa.Column("ended", sa.DateTime(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(), nullable=True),
        sa.Column("heartbeat", sa.DateTime(), nullable=True),
        sa.Column("waiting_for", sa.Text(), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("records_offset", sa.BigInteger(), nullable=False),
        sa.Column("progress_done", sa.BigInteger(), nullable=True),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("progress_unit", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("pid_started", sa.Double(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("devices", sa.Text(), nullable=True),
        sa.Column("git_sha", sa.Text(), nullable=True),
        sa.Column("git_dirty", sa.Boolean(), nullable=True),
        sa.Column("best_evaluation", sa.Integer(), nullable=True),
        sa.Column("reported_status", sa.Text(), nullable=True),
        sa.Column("reported_error", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("intent IN ('run', 'stop', 'kill')", name="ck_run_intent"),
        sa.CheckConstraint(
            "status IN ('queued', 'starting', 'running', 'finished', 'stopped', 'failed', 'crashed', "
            "'cancelled', 'skipped')",
            name="ck_run_status",
        ),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiment.id"], name="fk_run_experiment_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_run_listed",
        "run",
        ["created", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_run_name", "run", ["name"], unique=False)
    op.create_index("ix_run_status", "run", ["status"], unique=False)
    op.create_table(
        "artifact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_artifact_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_artifact"),
    )
    op.create_index("ix_artifact_run_id_kind", "artifact", ["run_id", "kind"], unique=False)
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("f1_mean", sa.Double(), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_checkpoint_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
    )
    op.create_index("ix_checkpoint_run_id_step", "checkpoint", ["run_id", "step"], unique=False)
    op.create_table(
        "metric",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("axis", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_metric_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_metric"),
    )
    op.create_index("ix_metric_run_id_key", "metric", ["run_id", "key"], unique=True)
    op.create_table(
        "run_config",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("env", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_config_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_config"),
    )
    op.create_table(
        "run_input",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("source_run_id", sa.Integer(), nullable=False),
        sa.Column("which", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_input_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_run_input"),
    )
    op.create_index("ix_run_input_run_id", "run_input", ["run_id"], unique=False)
    op.create_index("ix_run_input_source_run_id", "run_input", ["source_run_id"], unique=False)
    op.create_table(
        "run_param",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_param_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_run_param"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_param_key_number_run_id", "run_param", ["key", "number", "run_id"], unique=False)
    op.create_index("ix_run_param_key_text_run_id", "run_param", ["key", "text", "run_id"], unique=False)
    op.create_table(
        "run_tag",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_tag_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "tag", name="pk_run_tag"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_tag_tag", "run_tag", ["tag"], unique=False)
    op.create_table(
        "evaluation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=True),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("fold", sa.Integer(), nullable=True),
        sa.Column("loss", sa.Double(), nullable=True),
        sa.Column("f1_mean", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoint.id"], name="fk_evaluation_checkpoint_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_evaluation_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation"),
    )
    op.create_index("ix_evaluation_checkpoint_id", "evaluation", ["checkpoint_id"], unique=False)
    op.create_index("ix_evaluation_run_id_step", "evaluation", ["run_id", "step"], unique=False)
    op.create_table(
        "metric_bucket",
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("first_time", sa.Double(), nullable=False),
        sa.Column("last_time", sa.Double(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("finite", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.Double(), nullable=False),
        sa.Column("min", sa.Double(), nullable=True),
        sa.Column("min_step", sa.BigInteger(), nullable=True),
        sa.Column("max", sa.Double(), nullable=True),
        sa.Column("max_step", sa.BigInteger(), nullable=True),
        sa.Column("first", sa.Double(), nullable=True),
        sa.Column("last", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["metric_id"], ["metric.id"], name="fk_metric_bucket_metric_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("metric_id", "level", "first_step", name="pk_metric_bucket"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metric_point",
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["metric_id"], ["metric.id"], name="fk_metric_point_metric_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("metric_id", "step", name="pk_metric_point"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metric_summary",
        sa.Column("metric_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.Double(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("min", sa.Double(), nullable=True),
        sa.Column("min_step", sa.BigInteger(), nullable=True),
        sa.Column("max", sa.Double(), nullable=True),
        sa.Column("max_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["metric_id"], ["metric.id"], name="fk_metric_summary_metric_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_metric_summary_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("metric_id", name="pk_metric_summary"),
    )
    op.create_index(
        "ix_metric_summary_key_last_run_id", "metric_summary", ["key", "last", "run_id"], unique=False
    )
    op.create_index(
        "ix_metric_summary_key_max_run_id", "metric_summary", ["key", "max", "run_id"], unique=False
    )
    op.create_index(
        "ix_metric_summary_key_min_run_id", "metric_summary", ["key", "min", "run_id"], unique=False
    )
    op.create_index("ix_metric_summary_run_id_key", "metric_summary", ["run_id", "key"], unique=True)
    op.create_table(
        "class_score",
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("precision", sa.Double(), nullable=True),
        sa.Column("recall", sa.Double(), nullable=True),
        sa.Column("f1", sa.Double(), nullable=True),
        sa.Column("support", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name="fk_class_score_evaluation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "level", "category", name="pk_class_score"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "level_score",
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("f1_micro", sa.Double(), nullable=True),
        sa.Column("f1_macro", sa.Double(), nullable=True),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name="fk_level_score_evaluation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "level", name="pk_level_score"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO store_state (id, changes) VALUES (1, 0)")
