"""Correlations between 0 and 1: pairs as rows for everybody who reads, one line of text per matrix in the database.

The pairs of a portfolio of 30 symbols would be 435 rows each session, more than half of all rows that we store. As a
line they take a twentieth of the room. Nothing is lost: numbers are kept as the bytes that they are.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.base.errors import RowsError

_NUMBER, _COUNT = np.dtype("<f8"), np.dtype("<u2")


def packed(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the matrices of pairs.

    Parameters
    ----------
    pairs : DataFrame with the columns of correlations_by_pair: per portfolio and session a whole upper triangle.

    Returns
    -------
    DataFrame with the columns of correlation_matrices, sorted by key.

    Raises
    ------
    RowsError
        The pairs of a portfolio and session are not a whole upper triangle.
    """
    rows = pairs.sort_values([*PORTFOLIO_SESSION, "symbol", "other_symbol"], ignore_index=True)
    keys = rows[PORTFOLIO_SESSION]
    starts = np.flatnonzero((keys != keys.shift()).any(axis=1).to_numpy())
    symbols, others = rows["symbol"].to_numpy(), rows["other_symbol"].to_numpy()
    numbers = rows["correlation"].to_numpy(dtype=_NUMBER)
    counts = rows["observations"].to_numpy(dtype=_COUNT)  # sessions of a window
    lines: dict[str, list[str]] = {"symbols": [], "correlations": [], "observations": []}
    for start, end in pairwise([*starts, len(rows)]):
        names = [symbols[start], *others[start : start + _size(end - start) - 1]]
        _check_whole(names, symbols[start:end], others[start:end], keys.iloc[start])
        lines["symbols"].append(json.dumps(names))
        lines["correlations"].append(_text(numbers[start:end].tobytes()))
        lines["observations"].append(_text(zlib.compress(counts[start:end].tobytes(), 1)))
    return keys.iloc[starts].reset_index(drop=True).assign(**lines)


def unpacked(matrices: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of matrices: the inverse of `packed`.

    Returns
    -------
    DataFrame with the columns of correlations_by_pair, in the order of the matrices, then by symbol and other symbol.
    """
    names = [np.array(json.loads(line), dtype=object) for line in matrices["symbols"]]
    triangles = [_triangle(len(symbols)) for symbols in names]
    repeats = np.array([len(first) for first, _ in triangles], dtype=np.intp)
    numbers = [np.frombuffer(_bytes(text), dtype=_NUMBER) for text in matrices["correlations"]]
    counts = [np.frombuffer(zlib.decompress(_bytes(text)), dtype=_COUNT) for text in matrices["observations"]]
    first = [symbols[rows] for symbols, (rows, _) in zip(names, triangles, strict=True)]
    second = [symbols[columns] for symbols, (_, columns) in zip(names, triangles, strict=True)]
    pairs = matrices[PORTFOLIO_SESSION].loc[matrices.index.repeat(repeats)].reset_index(drop=True)
    pairs["symbol"] = _joined(first, np.dtype(object))
    pairs["other_symbol"] = _joined(second, np.dtype(object))
    pairs["correlation"] = _joined(numbers, np.dtype(np.float64))
    pairs["observations"] = _joined(counts, np.dtype(np.int64))
    return pairs


def _joined(parts: Sequence[npt.NDArray], kind: np.dtype) -> pd.Series:
    return pd.Series(np.concatenate([np.empty(0, dtype=kind), *parts]).astype(kind), dtype=kind)


def _size(pairs: int) -> int:
    """Return how many symbols have this many pairs, rounded down."""
    return int((1 + np.sqrt(1 + 8 * pairs)) / 2)


@lru_cache(maxsize=512)
def _triangle(size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.triu_indices(size, k=1)


def _check_whole(names: list[str], symbols: npt.NDArray, others: npt.NDArray, key: pd.Series) -> None:
    held = np.array(names, dtype=object)
    rows, columns = _triangle(len(held))
    if not (np.array_equal(held[rows], symbols) and np.array_equal(held[columns], others)):
        raise RowsError(
            f"correlations_by_pair: the {len(symbols)} pairs of {key['portfolio_id']} on {key['session']:%Y-%m-%d} are not"
            f" a whole upper triangle; expected each of {', '.join(names[:5])}... once with each symbol after it"
        )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)
