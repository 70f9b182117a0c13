"""The triggers of migration 0002 that keep `holdings_changes`. Never edited once released: a change is a new migration.

The day from which a change has effect:
lot added or removed: its entry; only its exit changed: the earlier exit; anything else of it: the earlier entry;
flow: its day, the earlier one of two. A row that moves to another portfolio is journalled for both.
"""

_LOT_COLUMNS = (
    "portfolio_id", "symbol", "quantity", "entry_price", "entry_date", "investment_class", "investment_subtype",
    "underlying_symbol", "strike_price", "expiration_date", "option_type",
)  # fmt: skip
"""Every column of a lot but its id and its exit."""


def statements(dialect: str) -> list[str]:
    """Return the statements that create the triggers on SQLite or PostgreSQL."""
    return _sqlite(_LOT_COLUMNS) if dialect == "sqlite" else _postgres(_LOT_COLUMNS)


def with_multiplier(dialect: str) -> list[str]:
    """Return the statements of migration 0005: a new multiplier of a lot has effect from its entry, too."""
    columns = (*_LOT_COLUMNS, "multiplier")
    if dialect == "sqlite":
        return [
            "DROP TRIGGER journal_lots_update",
            *(each for each in _sqlite(columns) if "journal_lots_update" in each),
        ]
    (function,) = (
        each for each in _postgres(columns) if "FUNCTION journal_lots()" in each and "TRIGGER journal" not in each
    )
    return [function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")]


def _sqlite(columns: tuple[str, ...]) -> list[str]:
    same = " AND ".join(f"OLD.{column} IS NEW.{column}" for column in columns)
    earlier_exit = "coalesce(min(OLD.exit_date, NEW.exit_date), OLD.exit_date, NEW.exit_date, NEW.entry_date)"
    changed = f"CASE WHEN {same} THEN {earlier_exit} ELSE min(OLD.entry_date, NEW.entry_date) END"
    days = {
        ("lots", "lot"): ("NEW.entry_date", changed, "OLD.entry_date"),
        ("cash_flows", "flow"): ("NEW.flow_date", "min(OLD.flow_date, NEW.flow_date)", "OLD.flow_date"),
    }
    return [
        _sqlite_trigger(table, event, row, f"{noun}_{kind}", day)
        for (table, noun), table_days in days.items()
        for (event, kind, row), day in zip(
            (("INSERT", "added", "NEW"), ("UPDATE", "changed", "NEW"), ("DELETE", "removed", "OLD")),
            table_days,
            strict=True,
        )
    ]


def _sqlite_trigger(table: str, event: str, row: str, kind: str, day: str) -> str:
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"
    insert = "INSERT INTO holdings_changes (portfolio_id, effective_from, kind, changed_at) SELECT"
    moved = f"{insert} OLD.portfolio_id, {day}, '{kind}', {now} WHERE OLD.portfolio_id <> NEW.portfolio_id;"
    return (
        f"CREATE TRIGGER journal_{table}_{event.lower()} AFTER {event} ON {table} FOR EACH ROW BEGIN"
        f" {insert} {row}.portfolio_id, {day}, '{kind}', {now}; {moved if event == 'UPDATE' else ''} END"
    )


def _postgres(columns: tuple[str, ...]) -> list[str]:
    same = " AND ".join(f"OLD.{column} IS NOT DISTINCT FROM NEW.{column}" for column in columns)
    changed = (
        f"CASE WHEN {same} THEN coalesce(LEAST(OLD.exit_date, NEW.exit_date), NEW.entry_date)"
        " ELSE LEAST(OLD.entry_date, NEW.entry_date) END"
    )
    return [
        *_postgres_trigger("lots", "lot", "entry_date", changed),
        *_postgres_trigger("cash_flows", "flow", "flow_date", "LEAST(OLD.flow_date, NEW.flow_date)"),
    ]


def _postgres_trigger(table: str, noun: str, day: str, changed: str) -> list[str]:
    insert = "INSERT INTO holdings_changes (portfolio_id, effective_from, kind, changed_at) VALUES"
    # search_path is fixed for the function, so that writers with a search_path of their own are journalled too
    function = f"""
        CREATE FUNCTION journal_{table}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {insert} (NEW.portfolio_id, NEW.{day}, '{noun}_added', clock_timestamp());
            ELSIF TG_OP = 'DELETE' THEN
                {insert} (OLD.portfolio_id, OLD.{day}, '{noun}_removed', clock_timestamp());
            ELSE
                {insert} (NEW.portfolio_id, {changed}, '{noun}_changed', clock_timestamp());
                IF OLD.portfolio_id <> NEW.portfolio_id THEN
                    {insert} (OLD.portfolio_id, {changed}, '{noun}_changed', clock_timestamp());
                END IF;
            END IF;
            RETURN NULL;
        END $$"""
    trigger = (
        f"CREATE TRIGGER journal_{table} AFTER INSERT OR UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION journal_{table}()"
    )
    return [function, trigger]
