"""Markets shared by the tests of whole pipelines."""

from pathlib import Path

import pytest

from sigma_assets_tests.verification.markets import Market, simulated_market


@pytest.fixture(scope="package")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """Return the simulated market."""
    folder: Path = tmp_path_factory.mktemp("market")
    return simulated_market(folder)
