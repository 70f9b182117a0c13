"""The certificates of several hosts, made by the commands of deploy/celery/README.md."""

import re
import subprocess
from pathlib import Path

from sigma_assets_tests.deployment.deployment import CHECKOUT

README = (CHECKOUT / "deploy" / "celery" / "README.md").read_text()
ADDRESS = "10.0.0.1"
"""The first host's address in the README."""


def make_certificates(folder: Path, address: str) -> Path:
    """Run the README's commands in a folder, for a first host with this address; return where the files are."""
    (commands,) = re.findall(r"```\n([^`]*openssl req -x509[^`]*)```", README)
    script = commands.replace(ADDRESS, address)
    done = subprocess.run(["sh", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "deploy" / "celery" / "tls"


def url_of_the_readme(variable: str, tls: Path, **replaced: str) -> str:
    """Return an address that the README gives workers, with our certificate and these texts in place of its own."""
    (url,) = re.findall(rf"^{variable}=(\S+)$", README, re.MULTILINE)
    for old, new in {"/etc/sigma/ca.pem": str(tls / "ca.pem"), **replaced}.items():
        assert old in url, f"{variable} has no {old}"
        url = url.replace(old, new)
    return url
