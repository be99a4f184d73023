"""Who may talk to the server: requests for this host, from its own pages, with the token where one is asked for."""

import hmac
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

COOKIE = "reeltop-token"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses foreign Host and Origin headers, so that no page of another site reaches the interface (DNS rebinding
    included), and whoever lacks the token.

    Args:
        hosts: names by which the server may be called besides those of this machine; empty: only those.
        token: what a visitor has to bring once, in the address; it is kept in a cookie. None asks for none.
    """

    def __init__(self, hosts: frozenset[str], token: str | None) -> None:
        self.hosts = _LOCAL | hosts
        self.token = token

    def middleware(self) -> Middleware:
        """For aiohttp's application."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.check(request)
            if (given := request.query.get("token")) is not None and self.token is not None:
                raise self._entered(given)
            if not self._known(request):
                raise web.HTTPForbidden(
                    text="open the address with ?token=... that `reeltop serve` printed\n"
                )
            response = await handler(request)
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

        return guarded

    def check(self, request: web.Request) -> None:
        """Look at where the request wants to go and comes from.

        Raises:
            HTTPForbidden: it is not for this server, or another site's page made it.
        """
        host = request.headers.get("Host", "")
        if name_of(f"//{host}") not in self.hosts:
            raise web.HTTPForbidden(text=f"{host[:80]!r} is not this server\n")
        origin = request.headers.get("Origin")
        if origin is None and request.headers.get("Upgrade", "").lower() != "websocket":
            return
        if origin is None or urlsplit(origin).netloc != host:
            raise web.HTTPForbidden(text="a page of another site asked for this\n")

    def _known(self, request: web.Request) -> bool:
        return self.token is None or self._same(request.cookies.get(COOKIE, ""))

    def _same(self, given: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _entered(self, given: str) -> web.HTTPException:
        if not self._same(given):
            return web.HTTPForbidden(text="the token is not the one that `reeltop serve` printed\n")
        found = web.HTTPFound("./")
        found.set_cookie(COOKIE, given, httponly=True, samesite="Strict")
        return found


def name_of(address: str) -> str | None:
    """The host of an address, in small letters, without its port; None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
