"""Taking in a run's record file: new records into the store, in order, exactly once, whatever they hold."""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DataError, IntegrityError, StatementError

from engine.data.regular import raise_starved
from engine.records import RECORDS_FILE, read_records
from engine.store.database import Store
from engine.store.ingest import OffsetMovedError, ingest
from engine.supervisor.rows import report_of

_BATCH_BYTES = 256 << 10  # a transaction of about a tenth of a second
_UNTAKEABLE = (DataError, IntegrityError, ValueError, OverflowError)  # of the record; all else may pass
log = logging.getLogger("reeltop.supervisor")


@dataclass(slots=True)
class Intake:
    """How far the records of one run have been read; `records` and `bad_records` count what came by."""

    run_id: int
    run_dir: Path
    offset: int
    records: int = 0
    bad_records: int = 0
    _read_size: int = -1
    _one_by_one_to: int = 0  # the end of a batch in which something cannot be stored

    def take(self, store: Store, seconds: float = math.inf) -> bool:
        """Bring new records into the store, for about `seconds`; whether there are more.

        Raises:
            StoreError, SQLAlchemyError: the store cannot be written now; the next call goes on where this one came to.
            OSError: no descriptor is left to read them with; the same.
        """
        path = self.run_dir / RECORDS_FILE
        try:
            size = path.stat().st_size
        except OSError:
            return False
        until = time.monotonic() + seconds
        more = size != self._read_size
        while more:
            if time.monotonic() > until:
                return True
            try:
                one_by_one = self.offset < self._one_by_one_to
                batch = read_records(path, self.offset, max_bytes=1 if one_by_one else _BATCH_BYTES)
            except OSError as error:
                raise_starved(error)
                log.warning("run %d: %s cannot be read: %s", self.run_id, path, error)
                return False
            more = batch.more
            try:
                ingest(store, self.run_id, batch.records, old_offset=self.offset, new_offset=batch.offset)
            except OffsetMovedError:
                report = report_of(store, self.run_id)
                if report is None or report.offset == self.offset:
                    return False
                self.offset = report.offset
                more = True
                continue
            except (*_UNTAKEABLE, StatementError) as error:
                if not _untakeable(error):
                    raise
                if not one_by_one:
                    self._one_by_one_to = batch.offset  # so that only what the store cannot hold is lost
                    more = True
                    continue
                log.error("run %d: a record cannot be stored and is left out: %s", self.run_id, error)
                ingest(store, self.run_id, [], old_offset=self.offset, new_offset=batch.offset)
                self.bad_records += len(batch.records)
            self.offset = batch.offset
            self.records += len(batch.records)
            self.bad_records += batch.bad_frames
            if batch.bad_frames:
                log.warning("run %d: %d damaged records were left out", self.run_id, batch.bad_frames)
        self._read_size = size
        return False

    def take_all(self, store: Store) -> None:
        """Bring everything that is in the file into the store.

        Raises:
            StoreError, SQLAlchemyError, OSError: as for `take`.
        """
        self._read_size = -1
        self.take(store)


def _untakeable(error: Exception) -> bool:
    """Whether trying again is of no use. A value refused before it got to the database comes wrapped."""
    return isinstance(error, _UNTAKEABLE) or (
        isinstance(error, StatementError) and isinstance(error.orig, _UNTAKEABLE)
    )
