"""The interface in a browser, for this machine alone unless told otherwise."""

import secrets
import sys

from app.output import print_json
from engine.errors import ReeltopError
from engine.format import printable
from engine.workspace import STORE_VARIABLE, WORKSPACE_VARIABLE, Workspace

LOCAL = "127.0.0.1"


def serve(workspace: Workspace, host: str, port: int, *, token: bool, as_json: bool) -> None:
    """Serve the interface until Ctrl+C; every visitor's tab has a view of its own, the runs go on without any.

    Raises:
        ReeltopError: the server cannot listen there.
    """
    from app.web.guard import Guard
    from app.web.server import WebServer, listen, run

    local = host in (LOCAL, "::1", "localhost")
    secret = secrets.token_urlsafe(24) if token or not local else None
    arguments = [sys.executable, "-P", "-m", "app.cli"]
    # Not as arguments, which every user of the machine can read: a store's URL may hold a password.
    variables = {WORKSPACE_VARIABLE: str(workspace.root), STORE_VARIABLE: workspace.store_url}
    try:
        listening = listen(host, port)
    except OSError as error:
        raise ReeltopError(
            f"cannot listen on {printable(host)} port {port} ({error.strerror or error}); choose another with --port"
        ) from None
    names = frozenset() if local else frozenset(_names(host))
    bound = listening.getsockname()[1]
    shown = "localhost" if local else next(iter(sorted(names)), host)
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{bound}/"
    if secret is not None:
        address += f"?token={secret}"

    def ready() -> None:
        if as_json:
            print_json({"url": address, "host": host, "port": bound, "token": secret})
        else:
            print(f"reeltop on {address}\nCtrl+C ends it; the runs go on", flush=True)
        sys.stdout.flush()

    run(WebServer(arguments, variables, Guard(names, secret)), listening, ready)


def _names(host: str) -> set[str]:
    """By what names a server on `host` may be called: its own, and all of this machine's for a wildcard."""
    import socket

    import psutil

    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, nothing is bound
        return {host.lower()}
    found = {socket.gethostname().lower(), socket.getfqdn().lower()}
    for addresses in psutil.net_if_addrs().values():
        found |= {
            one.address.partition("%")[0].lower()
            for one in addresses
            if one.family in (socket.AF_INET, socket.AF_INET6)
        }
    return found
