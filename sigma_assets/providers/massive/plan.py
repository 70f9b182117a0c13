"""Which calls fetch the wanted (symbol, session) pairs: histories of symbols, whole markets of sessions."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np


@dataclass(frozen=True)
class CallPlan:
    """One history call for each of `symbols`, one market call for each of `sessions`; together they cover all pairs."""

    symbols: tuple[str, ...]
    sessions: tuple[date, ...]


def fewest_calls(wanted: Mapping[str, Sequence[date]]) -> CallPlan:
    """Return the smallest set of calls that covers every wanted pair; histories where both ways cost the same.

    A pair is an edge between a symbol and a session; each call covers all edges of one vertex. The fewest calls are
    a minimum vertex cover, which has the size of a maximum matching (Koenig 1931); it is read off the vertices
    that alternating paths reach from the symbols that the matching leaves out.
    """
    from scipy.sparse import csr_array  # slow to import, and only needed here
    from scipy.sparse.csgraph import maximum_bipartite_matching

    symbols = sorted(symbol for symbol, sessions in wanted.items() if sessions)
    if not symbols:
        return CallPlan((), ())
    sessions = sorted({session for symbol in symbols for session in wanted[symbol]})
    column_of = {session: column for column, session in enumerate(sessions)}
    edges = [sorted({column_of[session] for session in wanted[symbol]}) for symbol in symbols]
    indptr = np.cumsum([0, *map(len, edges)])
    indices = np.concatenate([np.array(row) for row in edges])
    graph = csr_array((np.ones(len(indices), dtype=np.int8), indices, indptr), shape=(len(symbols), len(sessions)))
    session_of = maximum_bipartite_matching(graph, perm_type="column")
    symbol_of = {int(column): row for row, column in enumerate(session_of) if column >= 0}

    reached_symbols = {row for row, column in enumerate(session_of) if column < 0}
    reached_sessions: set[int] = set()
    queue = deque(reached_symbols)
    while queue:
        for column in edges[queue.popleft()]:
            if column not in reached_sessions:
                reached_sessions.add(column)
                partner = symbol_of[column]
                if partner not in reached_symbols:
                    reached_symbols.add(partner)
                    queue.append(partner)
    return CallPlan(
        symbols=tuple(symbol for row, symbol in enumerate(symbols) if row not in reached_symbols),
        sessions=tuple(sessions[column] for column in sorted(reached_sessions)),
    )
