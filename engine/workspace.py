"""The workspace: the folder reeltop runs in, and where everything in it lives."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ReeltopError

WORKSPACE_VARIABLE = "REELTOP_WORKSPACE"
STORE_VARIABLE = "REELTOP_STORE"
STORE_FILE = "experiments.db"
_SQLITE_PREFIX = "sqlite:///"
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Workspace:
    """A folder with `experiments.db`, `configs/`, `runs/` and `data/`; relative paths in configs start here."""

    root: Path
    store_url: str

    @classmethod
    def open(cls, root: str | Path | None = None, store: str | None = None) -> "Workspace":
        """The workspace at `root`, else `$REELTOP_WORKSPACE`, else the current folder.

        A relative path in `store` starts at the current folder; it is made absolute here, once for every process.

        Raises:
            ReeltopError: `root` is not a folder.
        """
        folder = Path(root or os.environ.get(WORKSPACE_VARIABLE) or ".").expanduser().resolve()
        if not folder.is_dir():
            raise ReeltopError(f"workspace {folder} is not a folder: make it with `reeltop init {folder}`")
        url = store or os.environ.get(STORE_VARIABLE) or f"sqlite:///{folder / STORE_FILE}"
        if "://" not in url:
            url = f"{_SQLITE_PREFIX}{Path(url).expanduser()}"
        file = _sqlite_file(url)
        return cls(folder, url if file is None else f"{_SQLITE_PREFIX}{file.resolve()}")

    @property
    def runs(self) -> Path:
        """Folder of run directories."""
        return self.root / "runs"

    @property
    def configs(self) -> Path:
        """Folder of the workspace's configuration files."""
        return self.root / "configs"

    @property
    def supervisor_lock(self) -> Path:
        """Lock file that makes one supervisor the only one of this store."""
        return self._beside_store(".supervisor.lock")

    @property
    def supervisor_log(self) -> Path:
        """What the detached supervisor prints."""
        return self._beside_store(".supervisor.log")

    def _beside_store(self, suffix: str) -> Path:
        """Beside a store's file, for whichever workspace it is named by; a server's has the workspace and its URL."""
        file = _sqlite_file(self.store_url)
        if file is not None:
            return file.with_name(file.name + suffix)
        short = hashlib.sha256(self.store_url.encode()).hexdigest()[:12]
        return self.root / f"{STORE_FILE}-{short}{suffix}"

    def resolve(self, path: str | Path) -> Path:
        """`path` as an absolute path; relative ones start at the workspace."""
        return (self.root / Path(path).expanduser()).resolve()

    @property
    def cache(self) -> Path:
        """Folder of caches that can be deleted at any time."""
        return self.root / "data" / ".cache"

    def model(self, name: str) -> str:
        """A model's folder where there is one of this name, else the name as it is: a hub's."""
        folder = self.resolve(name)
        return str(folder) if folder.is_dir() else name

    def run_dir(self, run_id: int, name: str) -> Path:
        """Directory of a run: `runs/<id>-<name>`, the name reduced to characters safe in a path."""
        slug = _UNSAFE.sub("-", name).strip("-.")[:60] or "run"
        return self.runs / f"{run_id}-{slug}"


def _sqlite_file(url: str) -> Path | None:
    name = url.removeprefix(_SQLITE_PREFIX)
    return Path(name) if url.startswith(_SQLITE_PREFIX) and name not in ("", ":memory:") else None
