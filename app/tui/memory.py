"""What the interface remembers of a workspace between two sittings: mode, table, views, theme; one small file."""

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from engine.format import printable

FOLDER = ".reeltop"
FILE = "state.json"
VIEW = "view:"
_VERSION = 1
_MAX_BYTES = 4 << 20


class Memory:
    """Named sections of plain data. A file that is broken is told once, kept beside the new one, and forgotten.

    Several interfaces may be open on one workspace: a write lays the sections changed here over what the file has then.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / FOLDER / FILE
        self._lock = threading.Lock()
        self._changed: dict[str, Any] = {}
        self._sections, self.trouble = self._read()

    def get(self, section: str) -> Any:
        """A section's value; None where nothing is remembered."""
        return self._sections.get(section)

    def views(self) -> dict[str, Any]:
        """Saved views by name, in alphabetical order."""
        return {
            section.removeprefix(VIEW): value
            for section, value in sorted(self._sections.items())
            if section.startswith(VIEW)
        }

    def put(self, section: str, value: Any) -> bool:
        """Remember a section, or forget it (None); whether that is new and should be written."""
        with self._lock:
            if self._sections.get(section) == value:
                return False
            if value is None:
                self._sections.pop(section, None)
            else:
                self._sections[section] = value
            self._changed[section] = value
            return True

    def write(self) -> None:
        """Write what was changed, in one step: a reader sees the old file or the new one.

        Raises:
            OSError: the folder cannot be written; what was changed is kept for the next time.
        """
        with self._lock:
            if not self._changed:
                return
            sections, trouble = self._read()
            if trouble:
                with contextlib.suppress(OSError):
                    self.path.replace(self.path.with_suffix(".broken"))
            sections |= self._changed
            kept = {key: value for key, value in sections.items() if value is not None}
            text = json.dumps({"version": _VERSION, "sections": kept}, ensure_ascii=False, indent=1)
            self.path.parent.mkdir(exist_ok=True)
            partial = self.path.with_name(f"{FILE}.{os.getpid()}")
            try:
                partial.write_bytes(text.encode("utf-8", "backslashreplace"))
                partial.replace(self.path)
            finally:
                partial.unlink(missing_ok=True)
            self._changed = {}

    def _read(self) -> tuple[dict[str, Any], str]:
        """The sections on disk, and what is wrong with the file."""
        try:
            if self.path.stat().st_size > _MAX_BYTES:
                return {}, self._wrong("it is larger than 4 MiB")
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}, ""
        except OSError as error:
            return {}, self._wrong(str(error.strerror))
        except (ValueError, RecursionError) as error:
            return {}, self._wrong(printable(str(error)))
        sections = data.get("sections") if isinstance(data, dict) else None
        if not isinstance(sections, dict) or data.get("version") != _VERSION:
            return {}, self._wrong("it is of another kind")
        return sections, ""

    def _wrong(self, reason: str) -> str:
        return f"{FOLDER}/{FILE} cannot be used ({reason}): begun anew, the old one is kept as state.broken"
