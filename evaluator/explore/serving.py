"""The server on this machine: a port, a token, a browser, and an end with Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clay_eval.schemas.errors import InputError

from .explorer import Explorer
from .guards import new_token

HOST = "127.0.0.1"
_CONNECTIONS = 200
_CLOSING_SECONDS = 3


@contextmanager
def bound(port: int) -> Iterator[socket.socket]:
    """A socket that listens on 127.0.0.1 at `port`, 0 for a free one. Raises InputError where it is in use or refused."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(listening):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen(128)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise InputError(
                "the port is in use" if taken else "the port cannot be used",
                where=f"--port {port}",
                expected="a port of this machine that nothing else listens on",
                found=getattr(error, "strerror", None) or str(error),
                hint="leave out --port for a free one",
            ) from error
        yield listening


def address(listening: socket.socket, token: str, view: str = "") -> str:
    """The page's address; view: what stands behind # in the address of another's view, or all of that address."""
    state = view.rpartition("#")[2]
    return f"http://{HOST}:{listening.getsockname()[1]}/{token}/" + (f"#{state}" if state else "")


def serve(
    explorer: Explorer, *, port: int = 0, view: str = "", browser: bool = True, ready: Callable[[str], None]
) -> None:
    """Serve the page until Ctrl-C or SIGTERM; `ready` is told its address once it answers.

    Raises InputError for a port that is in use.
    """
    import uvicorn

    from .server import application

    token = new_token()
    with bound(port) as listening:
        place = address(listening, token, view)

        class Server(uvicorn.Server):
            """Tells when it answers."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready(place)
                if browser:
                    threading.Thread(target=webbrowser.open, args=(place,), daemon=True).start()

        config = uvicorn.Config(
            application(explorer, token),
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended
            Server(config).run(sockets=[listening])
