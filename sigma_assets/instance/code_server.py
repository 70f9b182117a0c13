"""The code server: Dagster's `dagster api grpc`, with the same options, whose run workers start warm.

    python -m sigma_assets.instance.code_server --module-name sigma_assets.definitions --host 127.0.0.1 --port 4266

A worker runs the code that was there when the code server started; new code needs a new code server, as for sensors.
"""

import signal


def main() -> None:
    """Serve until a signal comes."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # started by a script with `&`; Dagster makes SIGTERM the same
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # here, not above: multiprocessing has each worker import this module, too
    from dagster._cli.api import grpc_command
    from dagster._grpc import server

    from sigma_assets.instance.warm.server import WarmApiServer

    server.DagsterApiServer = WarmApiServer  # type: ignore[assignment,misc]  # `grpc_command` makes one, by this name
    grpc_command.main(prog_name="python -m sigma_assets.instance.code_server")


if __name__ == "__main__":
    main()
