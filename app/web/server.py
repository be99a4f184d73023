"""The server behind `reeltop serve`: each browser tab gets an interface process of its own, as a terminal would."""

import asyncio
import contextlib
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import textual_serve.server
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from app.web.guard import Guard

_HERE = Path(__file__).parent
_STATIC = Path(textual_serve.server.__file__).parent / "static"
_SIZES = {"width": (80, 20, 1000), "height": (24, 5, 500)}
_FONT = (16, 6, 64)
_GRACE_SECONDS = 10.0


class InterfaceProcess(AppService):
    """An interface that draws into a websocket; started from a list of arguments, without a shell."""

    def __init__(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        websocket: web.WebSocketResponse,
        downloads: DownloadManager,
    ) -> None:
        super().__init__(
            "",
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=self._close,
            download_manager=downloads,
        )
        self.arguments = arguments
        self.variables = variables
        self.websocket = websocket

    async def stop(self) -> None:
        """Ask the process to end, and see that it does."""
        process = self._process
        if process is None:
            return
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await super().stop()
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _close(self) -> None:
        await self.websocket.close()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width=width, height=height) | dict(self.variables)
        process = await asyncio.create_subprocess_exec(
            *self.arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        )
        self._process, self._stdin = process, process.stdin
        return process


class WebServer:
    """Serves the page, its files, and the websockets.

    Args:
        arguments: what starts an interface.
        variables: set in its environment.
        guard: who may come in.
    """

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str], guard: Guard) -> None:
        self.arguments = arguments
        self.variables = variables
        self.guard = guard
        self.downloads = DownloadManager()
        self.page = (_HERE / "index.html").read_text(encoding="utf-8")
        self._open: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """The aiohttp application."""
        made = web.Application(middlewares=[self.guard.middleware()])
        made.add_routes(
            [
                web.get("/", self.index),
                web.get("/page.css", self.style),
                web.get("/favicon.ico", self.no_icon),
                web.get("/ws", self.interface),
                web.get("/download/{key}", self.download),
                web.static("/static", _STATIC),
            ]
        )
        made.on_shutdown.append(self._close_all)
        return made

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page; `?fontsize=` is the only thing that it can be told."""
        if set(request.query) - {"fontsize"}:
            raise web.HTTPFound("./")
        scheme = "wss" if request.headers.get("X-Forwarded-Proto", request.scheme) == "https" else "ws"
        values = {
            "font_size": str(_whole(request.query.get("fontsize"), *_FONT)),
            "socket": f"{scheme}://{request.host}/ws",  # the guard has seen to it that the host is a known name
        }
        text = self.page
        for name, value in values.items():
            text = text.replace("{{ " + name + " }}", value)
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def style(self, _request: web.Request) -> web.StreamResponse:
        """How the page looks around the terminal."""
        return web.FileResponse(_HERE / "page.css")

    async def no_icon(self, _request: web.Request) -> web.StreamResponse:
        """Browsers ask for one."""
        return web.Response(status=204)

    async def interface(self, request: web.Request) -> web.StreamResponse:
        """One interface process for as long as the websocket is open."""
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)
        self._open.add(websocket)
        size = {name: _whole(request.query.get(name), *limits) for name, limits in _SIZES.items()}
        process = InterfaceProcess(self.arguments, self.variables, websocket, self.downloads)
        try:
            await process.start(size["width"], size["height"])
            async for message in websocket:
                if message.type == web.WSMsgType.TEXT:
                    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
                        await self._heed(message.json(), process, websocket)
        finally:
            self._open.discard(websocket)
            await process.stop()
        return websocket

    async def _heed(
        self, message: object, process: InterfaceProcess, websocket: web.WebSocketResponse
    ) -> None:
        """What the page's script sends; anything else is passed over."""
        if not isinstance(message, list):
            return
        match message:
            case ["stdin", str(keys)]:
                await process.send_bytes(keys.encode())
            case ["resize", {"width": int(width), "height": int(height)}]:
                limits = _SIZES.values()
                sizes = [
                    _whole(str(given), *limit) for given, limit in zip((width, height), limits, strict=True)
                ]
                await process.set_terminal_size(*sizes)
            case ["ping", data]:
                await websocket.send_json(["pong", data])
            case ["blur", *_]:
                await process.blur()
            case ["focus", *_]:
                await process.focus()

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file that the interface delivers, such as an export."""
        key = request.match_info["key"]
        try:
            about = await self.downloads.get_download_metadata(key)
        except KeyError:
            raise web.HTTPNotFound(text="this download is gone; export again\n") from None
        response = web.StreamResponse()
        response.headers["Content-Type"] = about.mime_type
        name = "".join(letter if letter.isalnum() or letter in ".-_" else "_" for letter in about.file_name)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        await response.prepare(request)
        async for chunk in self.downloads.download(key):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _close_all(self, _application: web.Application) -> None:
        for websocket in tuple(self._open):
            await websocket.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Raises:
        OSError: nobody can listen there.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def run(server: WebServer, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until Ctrl+C or SIGTERM."""
    web.run_app(server.application(), sock=listening, print=lambda *_: ready(), access_log=None)


def _whole(text: str | None, otherwise: int, least: int, most: int) -> int:
    try:
        value = int(text or "")
    except ValueError:
        return otherwise
    return min(max(value, least), most)
