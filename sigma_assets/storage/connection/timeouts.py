"""How soon either end of a connection to PostgreSQL notices that the other one is gone: half a minute, not two hours."""

from typing import Any

import sqlalchemy as sa

SILENT_SECONDS = 30
"""A host that has lost its network is given up after this long, and its open transaction is rolled back. It must be less
than what a run's worker may be silent for (`DEAD_AFTER_SECONDS`): before its work is given away, its locks are free."""

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_OF_CLIENT = {
    "keepalives": "1",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": str(SILENT_SECONDS * 1000),
}
# https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE
_OF_SERVER = {
    "tcp_keepalives_idle": "15s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": f"{SILENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{SILENT_SECONDS}s",
}


def with_timeouts(url: sa.URL) -> sa.URL:
    """Return an address of PostgreSQL whose client notices a server that is gone; what the address says wins."""
    return url.update_query_dict({name: value for name, value in _OF_CLIENT.items() if name not in url.query})


def set_timeouts(cursor: Any, url: sa.URL) -> None:
    """Let the server notice that this client is gone; what `options` of the address say wins.

    The settings hold as long as the session: set them where no rollback takes them back.
    """
    chosen = str(url.query.get("options", ""))
    names = [name for name in _OF_SERVER if name not in chosen]
    if names:
        cursor.execute("; ".join(f"SET {name} = '{_OF_SERVER[name]}'" for name in names))
