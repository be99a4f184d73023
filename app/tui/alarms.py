"""Keeps what was seen last of runs and machine, and tells which alerts are new."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.tui.devices import gpus_of

if TYPE_CHECKING:
    from engine.alerts import Alert
    from engine.store.live import Health
    from engine.telemetry import GpuSample, HostSample

AGAIN_SECONDS = 600.0  # what comes and goes is not told each time it comes


class Alarms:
    """`look` gives the alerts that stand now; those not told for a while are in `fresh`."""

    def __init__(self) -> None:
        self._health: tuple[Health, ...] = ()
        self._gpus: Sequence[GpuSample] = ()
        self._host: HostSample | None = None
        self._told: dict[str, float] = {}
        self.standing: tuple[Alert, ...] = ()
        self.fresh: tuple[Alert, ...] = ()

    def see_runs(self, health: "tuple[Health, ...]") -> None:
        """Take in what the store says of live runs."""
        self._health = health

    def see_machine(self, gpus: "Sequence[GpuSample]", host: "HostSample | None") -> None:
        """Take in what the devices say."""
        self._gpus, self._host = gpus, host

    def look(self) -> None:
        """Find out what stands now, and what of it is to be told."""
        from engine.alerts import machine_alerts, run_alerts

        now = datetime.now(UTC).replace(tzinfo=None)
        found = [alert for one in self._health for alert in run_alerts(one.run, one.losses, one.waits, now)]
        held = [index for one in self._health for index in gpus_of(one.run)]
        found += machine_alerts(self._gpus, self._host, held)
        clock = time.monotonic()
        self.standing = tuple(found)
        self.fresh = tuple(
            alert for alert in found if clock - self._told.get(alert.key, -AGAIN_SECONDS) >= AGAIN_SECONDS
        )
        self._told |= {alert.key: clock for alert in found}
