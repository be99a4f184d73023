"""The interface in a browser: who may come in, and what a page's script gets over the websocket."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from app.web.guard import COOKIE, Guard
from app.web.server import WebServer

Client = TestClient[web.Request, web.Application]
ECHO = """
import os, sys
out = sys.stdout.buffer
def send(data):
    out.write(b"D" + len(data).to_bytes(4, "big") + data)
    out.flush()
out.write(b"__GANGLION__\\n")
send(f"{os.environ['COLUMNS']}x{os.environ['ROWS']} {os.environ['GIVEN']}".encode())
while head := sys.stdin.buffer.read(5):
    payload = sys.stdin.buffer.read(int.from_bytes(head[1:], "big"))
    if b'"quit"' in payload:
        break
    send(head[:1] + payload)
"""


async def client_of(guard: Guard, host: str = "localhost:80") -> Client:
    """A visitor of a server whose interface says back what it is sent."""
    server = WebServer([sys.executable, "-c", ECHO], {"GIVEN": "$HOME; done"}, guard)
    client: Client = TestClient(TestServer(server.application()), headers={"Host": host})
    await client.start_server()
    return client


@pytest.fixture
async def visitor() -> AsyncIterator[Client]:
    client = await client_of(Guard(frozenset(), None))
    yield client
    await client.close()


async def test_the_page_needs_nothing_from_elsewhere(visitor: Client) -> None:
    answer = await visitor.get("/")
    page = await answer.text()
    assert answer.status == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert set(re.findall(r"\w+://[^/\"]*", page)) == {"ws://localhost:80"}
    for path in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert (await visitor.get(f"/{path}")).status == 200, path
    styles = await (await visitor.get("/page.css")).text()
    for path in re.findall(r'url\("([^"]+)"', styles):
        assert (await visitor.get(f"/{path}")).status == 200, path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:9", "LOCALHOST:1"])
async def test_this_machines_names_are_let_in(visitor: Client, host: str) -> None:
    assert (await visitor.get("/", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "[::", ""]
)
async def test_foreign_hosts_are_refused(visitor: Client, host: str) -> None:
    assert (await visitor.get("/", headers={"Host": host})).status == 403
    assert (await visitor.get("/static/js/textual.js", headers={"Host": host})).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:81", "http://localhost.evil.example", ""]
)
async def test_pages_of_other_sites_are_refused(visitor: Client, origin: str) -> None:
    assert (await visitor.get("/", headers={"Origin": origin})).status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.ws_connect("/ws", headers={"Origin": origin})
    assert refused.value.status == 403


async def test_a_websocket_without_an_origin_is_refused(visitor: Client) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await visitor.ws_connect("/ws")


async def test_a_websocket_is_a_terminal_started_without_a_shell(visitor: Client) -> None:
    socket = await visitor.ws_connect("/ws?width=133&height=x", headers={"Origin": "http://localhost:80"})
    assert await socket.receive_bytes(timeout=20) == b"133x24 $HOME; done"
    await socket.send_json(["stdin", "q界"])
    assert await socket.receive_bytes(timeout=20) == b"D" + "q界".encode()
    await socket.send_json(["resize", {"width": 90, "height": 10**9}])
    assert b'"height": 500' in await socket.receive_bytes(timeout=20)
    await socket.send_json(["ping", 7])
    assert await socket.receive_json(timeout=20) == ["pong", 7]
    for nonsense in ("{", "[]", '["resize", {}]', '["stdin", 3]', '["unknown"]', "null"):
        await socket.send_str(nonsense)
    await socket.send_json(["stdin", "still there"])
    assert await socket.receive_bytes(timeout=20) == b"Dstill there"
    await socket.close()


async def test_an_unknown_download_is_a_clear_404(visitor: Client) -> None:
    answer = await visitor.get("/download/nothing")
    assert answer.status == 404
    assert "export again" in await answer.text()


async def test_no_file_outside_is_served_and_no_script_is_told_whom_to_call(visitor: Client) -> None:
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/", "/index.html"):
        assert (await visitor.get(path)).status in (403, 404), path
    answer = await visitor.get("/?ping=http://evil.example/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "./")


async def test_the_font_size_is_a_number(visitor: Client) -> None:
    for given, shown in (("20", "20"), ("9999", "64"), ('"><script>', "16")):
        page = await (await visitor.get("/", params={"fontsize": given})).text()
        assert f'data-font-size="{shown}"' in page


async def test_where_a_token_is_asked_for_only_it_opens_the_door() -> None:
    client = await client_of(Guard(frozenset({"gpu-box"}), "secret"), "gpu-box:8000")
    origin = {"Origin": "http://gpu-box:8000"}
    try:
        assert (await client.get("/")).status == 403
        assert (await client.get("/static/js/textual.js")).status == 403
        assert (await client.get("/?token=wrong")).status == 403
        assert (await client.get("/?token=s%C3%A9cret")).status == 403
        assert (await client.get("/", headers={"Cookie": f"{COOKIE}=wrong"})).status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/ws", headers=origin)
        entered = await client.get("/?token=secret", allow_redirects=False)
        assert entered.status == 302
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        kept = {"Cookie": f"{COOKIE}=secret"}
        assert (await client.get("/", headers=kept)).status == 200
        socket = await client.ws_connect("/ws", headers=origin | kept)
        await socket.close()
        assert (await client.get("/", headers=kept | {"Host": "other-box"})).status == 403
    finally:
        await client.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    (tmp_path / "configs").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "--workspace", str(tmp_path), "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    yield process
    process.kill()
    process.wait()


async def test_the_whole_interface_appears_in_a_browser(serving: "subprocess.Popen[str]") -> None:
    assert serving.stdout is not None
    address = serving.stdout.readline().split()[-1]
    assert address.startswith("http://localhost:")
    origin = address.rstrip("/")
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{address}ws?width=120&height=40", headers={"Origin": origin})
        seen = b""
        async with asyncio.timeout(60):
            while b"Monitor" not in seen:
                seen += await socket.receive_bytes()
            await socket.send_json(["stdin", "q"])
            while not socket.closed:
                await socket.receive()
    serving.send_signal(signal.SIGINT)
    assert serving.wait(timeout=20) == 0


def test_a_port_that_is_taken_is_told_in_a_line(serving: "subprocess.Popen[str]", tmp_path: Path) -> None:
    assert serving.stdout is not None
    port = serving.stdout.readline().split()[-1].rstrip("/").rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "--workspace", str(tmp_path), "serve", "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "choose another with --port" in done.stderr
