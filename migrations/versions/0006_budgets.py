"""Budgets of tenants and tags, and what was spent and is reserved of each.

What a budget's period holds is the sum of its calls' rows, kept by triggers: whichever statement writes a row, the
budgets follow in that very statement, once. Each call locks the budgets that it falls under in the order of their
ids, so that no two wait for each other, and as the last thing it does.
"""

import sqlalchemy as sa
from alembic import op

from ragdiet.store.policies import protect_by_tenant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The role that writes the call may read its tenant's budgets and change none, so this runs as the tables' owner. A row
# that is refused is an error with SQLSTATE RD001, which undoes the statement. `ragdiet.budgets` tells the transaction
# what it has to know: nothing where no budget could bind the tenant, else those over their soft limit.
_BOOK = """
CREATE FUNCTION ragdiet.book_call() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own record;
    held record;
    amount numeric;
    amount_before numeric;
    strained jsonb := '[]';
BEGIN
    FOR own IN SELECT * FROM ragdiet.budget WHERE tenant IS NULL OR tenant = NEW.tenant ORDER BY id LOOP
        IF TG_OP = 'INSERT' THEN
            PERFORM set_config('ragdiet.budgets', strained::text, true);
        END IF;
        CONTINUE WHEN own.tag_key IS NOT NULL AND NEW.tags ->> own.tag_key IS DISTINCT FROM own.tag_value;
        amount := ragdiet.booked(own.unit, NEW);
        IF TG_OP = 'UPDATE' THEN
            amount_before := ragdiet.booked(own.unit, OLD);
            CONTINUE WHEN (OLD.status = 'started', amount_before) = (NEW.status = 'started', amount);
            UPDATE ragdiet.budget_period SET
                spent = spent + CASE NEW.status WHEN 'started' THEN 0 ELSE amount END
                    - CASE OLD.status WHEN 'started' THEN 0 ELSE amount_before END,
                reserved = reserved + CASE NEW.status WHEN 'started' THEN amount ELSE 0 END
                    - CASE OLD.status WHEN 'started' THEN amount_before ELSE 0 END
            WHERE budget_id = own.id AND starts = ragdiet.period_start(own.per, NEW.recorded_at);
            CONTINUE;
        END IF;
        INSERT INTO ragdiet.budget_period AS period (budget_id, starts, tenant, spent, reserved)
        VALUES (own.id, ragdiet.period_start(own.per, NEW.recorded_at), own.tenant,
                CASE NEW.status WHEN 'started' THEN 0 ELSE amount END,
                CASE NEW.status WHEN 'started' THEN amount ELSE 0 END)
        ON CONFLICT (budget_id, starts) DO UPDATE SET
            spent = period.spent + excluded.spent, reserved = period.reserved + excluded.reserved
        RETURNING * INTO held;
        IF NEW.status = 'started' AND amount > 0 AND held.spent + held.reserved > own.most
                AND current_setting('ragdiet.late', true) IS DISTINCT FROM 'yes' THEN
            RAISE EXCEPTION 'over budget' USING ERRCODE = 'RD001', DETAIL = jsonb_build_object(
                'budget', own.name, 'unit', own.unit, 'asked', amount::text,
                'left', (own.most - held.spent - held.reserved + amount)::text,
                'resets_at', ragdiet.period_end(own.per, held.starts));
        END IF;
        IF held.spent + held.reserved >= own.soft * own.most THEN
            strained := strained || jsonb_build_object(
                'budget', own.name, 'share', own.soft::text, 'on_soft', own.on_soft, 'first', held.warned_at IS NULL,
                'resets_at', ragdiet.period_end(own.per, held.starts));
            PERFORM set_config('ragdiet.budgets', strained::text, true);
            IF held.warned_at IS NULL THEN
                UPDATE ragdiet.budget_period SET warned_at = now() WHERE budget_id = own.id AND starts = held.starts;
            END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$
"""

_FUNCTIONS = (
    # What a call takes of a budget in this unit. One at no cost takes nothing.
    """
    CREATE FUNCTION ragdiet.booked(unit text, own ragdiet.call) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN unit = 'usd' THEN (own).cost WHEN (own).cost = 0 THEN 0
                ELSE (own).input_tokens + (own).output_tokens + (own).cache_read_tokens + (own).cache_write_5m_tokens
                     + (own).cache_write_1h_tokens END
    """,
    """
    CREATE FUNCTION ragdiet.period_start(per text, moment timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN per = 'ever' THEN '-infinity'::timestamptz ELSE date_trunc(per, moment, 'UTC') END
    """,
    # A month is added to the UTC calendar, not to the session's.
    """
    CREATE FUNCTION ragdiet.period_end(per text, starts timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN per <> 'ever' THEN (starts AT TIME ZONE 'UTC' + ('1 ' || per)::interval) AT TIME ZONE 'UTC' END
    """,
)


def upgrade() -> None:
    execute = op.get_bind().exec_driver_sql
    # Periods go by this clock, which is one for all: a caller's could jump over their end.
    execute("UPDATE ragdiet.call SET recorded_at = started_at WHERE started_at < recorded_at")
    # Rows come in this order, so ranges of blocks tell them apart, and an update need not touch the index.
    op.create_index("call_recorded", "call", ["recorded_at"], schema="ragdiet", postgresql_using="brin")
    op.create_table(
        "budget",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("tenant", sa.Text(), comment="whose calls it binds; NULL: all of them together"),
        sa.Column("tag_key", sa.Text()),
        sa.Column("tag_value", sa.Text()),
        sa.Column("per", sa.Text(), nullable=False, comment="day, month or ever; UTC"),
        sa.Column("unit", sa.Text(), nullable=False, comment="usd or tokens, as billed"),
        sa.Column("most", sa.Numeric(), nullable=False),
        sa.Column("soft", sa.Numeric(), nullable=False, comment="the share of it that is told of"),
        sa.Column("on_soft", sa.Text(), nullable=False, comment="warn or cheaper"),
        schema="ragdiet",
    )
    op.create_index("budget_tenant", "budget", ["tenant"], schema="ragdiet")
    op.create_table(
        "budget_period",
        sa.Column("budget_id", sa.Integer(), sa.ForeignKey("ragdiet.budget.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("starts", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("tenant", sa.Text(), comment="that of its budget"),
        sa.Column("spent", sa.Numeric(), nullable=False, comment="by calls that ended, or may have been billed"),
        sa.Column("reserved", sa.Numeric(), nullable=False, comment="the worst case of calls on their way"),
        sa.Column("warned_at", sa.DateTime(timezone=True), comment="when it passed its soft limit"),
        schema="ragdiet",
    )
    # A row that every call updates: room for its versions on the page, so that no index grows with them.
    execute("ALTER TABLE ragdiet.budget_period SET (fillfactor = 30)")
    for table in ("budget", "budget_period"):
        for statement in protect_by_tenant(table, forced=False):
            execute(statement)
    for statement in (*_FUNCTIONS, _BOOK):
        execute(statement)
    execute("REVOKE ALL ON FUNCTION ragdiet.book_call() FROM PUBLIC")
    execute(
        "CREATE TRIGGER book_new AFTER INSERT ON ragdiet.call FOR EACH ROW WHEN (NEW.cost > 0) "
        "EXECUTE FUNCTION ragdiet.book_call()"
    )
    execute(
        "CREATE TRIGGER book_settled AFTER UPDATE ON ragdiet.call FOR EACH ROW WHEN (OLD.cost > 0 OR NEW.cost > 0) "
        "EXECUTE FUNCTION ragdiet.book_call()"
    )


def downgrade() -> None:
    execute = op.get_bind().exec_driver_sql
    execute("DROP TRIGGER book_new ON ragdiet.call")
    execute("DROP TRIGGER book_settled ON ragdiet.call")
    execute("DROP FUNCTION ragdiet.book_call(), ragdiet.booked(text, ragdiet.call)")
    op.drop_table("budget_period", schema="ragdiet")
    op.drop_table("budget", schema="ragdiet")
    execute("DROP FUNCTION ragdiet.period_start(text, timestamptz), ragdiet.period_end(text, timestamptz)")
    op.drop_index("call_recorded", "call", schema="ragdiet")
