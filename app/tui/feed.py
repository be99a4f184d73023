"""The one poller between store and screens: requests in, answers out as messages, only when something changed."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textual.message import Message
from textual.message_pump import MessagePump

from app.tui.requests import Request
from app.tui.troubles import one_line
from engine.errors import ReeltopError, StoreError

if TYPE_CHECKING:
    from engine.store.database import Store

POLL_SECONDS = 0.25
_SQLITE = "sqlite:///"
_NEVER = -1  # a change counter that no store has


class Answered(Message, bubble=False):
    """The value of a request, new or changed."""

    def __init__(self, request: Request, value: object) -> None:
        super().__init__()
        self.request = request
        self.value = value


class Refused(Message, bubble=False):
    """A request that cannot be answered, such as a filter with a mistake in it."""

    def __init__(self, request: Request, error: ReeltopError) -> None:
        super().__init__()
        self.request = request
        self.error = error


class _Known(NamedTuple):
    """An answer, the store's change counter it belongs to, and when it was given."""

    value: object
    counter: int
    at: float


class Feed:
    """Asks the store what the subscribers want to know, in a thread of its own.

    Args:
        url: of the store.
        on_state: called in that thread with None when the store is well, and with one line of trouble when it is not;
            only when this changes.
    """

    def __init__(self, url: str, on_state: Callable[[str | None], None]) -> None:
        self._url = url
        self._file = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
        self._on_state = on_state
        self._told: str | None = "not opened yet"
        self._opened_once = False
        self._store: Store | None = None
        self._identity: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._wanted: dict[MessagePump, tuple[Request, ...]] = {}
        self._answers: dict[tuple[MessagePump, Request], _Known] = {}

    def want(self, subscriber: MessagePump, requests: Sequence[Request]) -> None:
        """Let `subscriber` have the answers to `requests`, now and whenever they change; replaces what it wanted."""
        wanted = tuple(dict.fromkeys(requests))
        with self._lock:
            if self._wanted.get(subscriber) == wanted:
                return
            self._wanted[subscriber] = wanted
            for key in [key for key in self._answers if key[0] is subscriber and key[1] not in wanted]:
                del self._answers[key]
        self._wake.set()

    def rest(self, subscriber: MessagePump, tell_again: Sequence[Request] = ()) -> None:
        """Stop answering; when it wants again, it gets only what has changed, and the answers to `tell_again`."""
        with self._lock:
            self._wanted.pop(subscriber, None)
            for key in [key for key in self._answers if key[0] is subscriber]:
                if key[1] in tell_again:
                    del self._answers[key]
                else:
                    self._answers[key] = self._answers[key]._replace(counter=_NEVER, at=-math.inf)

    def forget(self, subscriber: MessagePump) -> None:
        """Stop answering; when it wants again, it gets every answer again."""
        with self._lock:
            self._wanted.pop(subscriber, None)
            for key in [key for key in self._answers if key[0] is subscriber]:
                del self._answers[key]

    def look(self) -> None:
        """Look at the store now instead of at the next tick."""
        self._wake.set()

    def close(self) -> None:
        """Let `run` return."""
        self._closed = True
        self._wake.set()

    def store(self) -> "Store":
        """The open store, for commands in other threads.

        Raises:
            StoreError: it is not open.
        """
        if self._store is None:
            raise StoreError(self._told or "the store is still being opened: try again in a moment")
        return self._store

    def run(self) -> None:
        """The thread: until `close`."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            while not self._closed:
                self._wake.clear()
                try:
                    self._tick()
                except (StoreError, SQLAlchemyError) as error:
                    self._tell(one_line(error))
                self._wake.wait(POLL_SECONDS)
        finally:
            if self._store is not None:
                self._store.close()

    def _tick(self) -> None:
        store = self._opened()
        from engine.store.queries import change_counter

        counter = change_counter(store)
        now = time.monotonic()
        with self._lock:
            pending = [
                (subscriber, request)
                for subscriber, requests in self._wanted.items()
                for request in requests
                if self._is_due((subscriber, request), counter, now)
            ]
        for subscriber, request in pending:
            self._answer(store, subscriber, request, counter, now)
        self._tell(None)

    def _is_due(self, key: "tuple[MessagePump, Request]", counter: int, now: float) -> bool:
        known = self._answers.get(key)
        return known is None or (known.counter != counter and now - known.at >= key[1].every)

    def _answer(
        self, store: "Store", subscriber: MessagePump, request: Request, counter: int, now: float
    ) -> None:
        message: Message
        try:
            value: object = request.answer(store)
            message = Answered(request, value)
        except StoreError:
            raise
        except ReeltopError as error:
            value = str(error)
            message = Refused(request, error)
        key = (subscriber, request)
        with self._lock:
            if request not in self._wanted.get(subscriber, ()):
                return
            known = self._answers.get(key)
            self._answers[key] = _Known(value, counter, now)
            if known is not None and known.value == value:
                return
        subscriber.post_message(message)

    def _opened(self) -> "Store":
        identity = self._file_identity()
        if self._store is not None and identity != self._identity:
            self._store.close()
            self._store = None
        if self._store is None:
            if self._opened_once and self._file is not None and identity is None:
                raise StoreError(f"store {self._file} is gone: waiting for it to come back")
            from engine.store.database import Store

            self._store = Store.open(self._url)
            self._identity = self._file_identity()
            with self._lock:
                self._answers.clear()
            self._opened_once = True
        return self._store

    def _file_identity(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _tell(self, trouble: str | None) -> None:
        if trouble != self._told:
            self._told = trouble
            self._on_state(trouble)
