"""How our count of tokens compares with what each model bills, learnt by each tenant."""

import sqlalchemy as sa
from alembic import op

from ragdiet.store.policies import protect_by_tenant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False, comment="the name of our token counter"),
        sa.Column("logs", sa.ARRAY(sa.REAL()), nullable=False, comment="ln(billed / counted), the latest last"),
        sa.Column("seen", sa.BigInteger(), nullable=False, comment="replies that it was learnt from, ever"),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "model", "counter"),
        schema="ragdiet",
    )
    for statement in protect_by_tenant("calibration"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.drop_table("calibration", schema="ragdiet")
