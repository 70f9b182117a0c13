"""Hosts on one machine: each has a name and, where the system allows it, a network of its own that can be cut."""

import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUBNETS = itertools.count(os.getpid() % 200)
PREFIX = "sg"


class NoHostsError(Exception):
    """This machine cannot play several hosts, and why."""


class Network:
    """A bridge of our own, on which hosts can be put; nothing of it reaches beyond this machine.

    Attributes
    ----------
    address : of this side of the bridge, where servers listen; 127.0.0.1 where there are no namespaces.
    has_namespaces : whether hosts have networks of their own; otherwise they only have names.
    """

    def __init__(self) -> None:
        if not _can("unshare", "--uts", "hostname", "probe"):
            raise NoHostsError("`unshare --uts` is refused: hosts cannot have names of their own (root is needed)")
        _remove_leftovers()
        number = next(_SUBNETS) % 250 + 1
        self._name = f"{PREFIX}{os.getpid()}n{number}"[:15]
        self._base = f"10.231.{number}"
        self.has_namespaces = shutil.which("ip") is not None and _can("ip", "netns", "add", self._name)
        if self.has_namespaces:
            _run("ip", "netns", "del", self._name)
            # An address of its own: by default a bridge takes the lowest of its ports. A host that is added may change that,
            # and the others do not reach this side until they have asked for the new one: for eight seconds.
            _run("ip", "link", "add", self._name, "address", f"02:00:0a:e7:{number:02x}:01", "type", "bridge")
            _run("ip", "address", "add", f"{self._base}.1/24", "dev", self._name)
            _run("ip", "link", "set", self._name, "up")
        self.hosts: dict[str, Host] = {}

    @property
    def address(self) -> str:
        """Return the address that servers listen on for the hosts."""
        return f"{self._base}.1" if self.has_namespaces else "127.0.0.1"

    @property
    def subnet(self) -> str:
        """Return the addresses of the hosts."""
        return f"{self._base}.0/24"

    def host(self, name: str) -> "Host":
        """Return a host, made at first use."""
        if name not in self.hosts:
            number = len(self.hosts) + 11
            space = f"{self._name}h{number}" if self.has_namespaces else None
            self.hosts[name] = Host(name, space, f"v{os.getpid()}{number}")
            if space:
                _run("ip", "netns", "add", space)
                self._connect(self.hosts[name], f"{self._base}.{number}")
        return self.hosts[name]

    def _connect(self, host: "Host", address: str) -> None:
        inside = f"{host.link}i"
        _run("ip", "link", "add", host.link, "type", "veth", "peer", "name", inside, "netns", str(host.space))
        _run("ip", "link", "set", host.link, "master", self._name, "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", inside),
            ("link", "set", inside, "up"),
        ):
            _run("ip", "-n", str(host.space), *command)

    def close(self) -> None:
        """End everything that runs on the hosts, and remove hosts and bridge."""
        for host in self.hosts.values():
            host.kill()
            if host.space:
                _run("ip", "netns", "del", host.space)
                with suppress(subprocess.CalledProcessError):  # it went with its other end
                    _run("ip", "link", "del", host.link)
        if self.has_namespaces:
            _run("ip", "link", "del", self._name)


class Host:
    """A host: processes that share its name and its network."""

    def __init__(self, name: str, space: str | None, link: str) -> None:
        self.name, self.space, self.link = name, space, link
        self.processes: list[subprocess.Popen] = []

    def start(self, *command: str, environment: dict[str, str], log: Path, folder: Path) -> subprocess.Popen:
        """Start a process on the host, in a group of its own, that ends with this one."""
        inside = ["ip", "netns", "exec", self.space] if self.space else []
        name = [
            "unshare",
            "--uts",
            "setpriv",
            "--pdeathsig",
            "KILL",
            "sh",
            "-c",
            f'hostname {self.name} && exec "$@"',
            "sh",
        ]
        with log.open("a") as file:
            process = subprocess.Popen(
                [*inside, *name, *command],
                env=environment,
                cwd=folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def cut(self) -> None:
        """Cut the host off the network, without a word to anybody; without namespaces, freeze it."""
        if self.space:
            _run("ip", "link", "set", self.link, "down")
        else:
            self._signal(signal.SIGSTOP)

    def mend(self) -> None:
        """Undo the cut."""
        if self.space:
            _run("ip", "link", "set", self.link, "up")
        else:
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End all its processes at once, as a power cut does."""
        self._signal(signal.SIGKILL)
        for process in self.processes:
            process.wait(30)
        self.processes.clear()

    def _signal(self, number: int) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


@contextmanager
def network() -> Iterator[Network]:
    """Make a network; whatever happens, nothing of it is left."""
    made = Network()
    try:
        yield made
    finally:
        made.close()


def _remove_leftovers() -> None:
    """Remove the networks of test processes that were killed before they could do so: their names carry the process id."""
    for kind in (("netns",), ("link", "show", "type", "bridge")):
        listed = subprocess.run(["ip", "-o", *kind], check=False, capture_output=True, text=True).stdout
        for name, pid in re.findall(rf"\b({PREFIX}(\d+)n\w+)", listed):
            if not Path(f"/proc/{pid}").exists():
                subprocess.run(["ip", kind[0], "del", name], check=False, capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _can(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
