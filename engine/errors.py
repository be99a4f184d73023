"""Errors that a person can cause and mend: one line each, saying what is wrong, where, and what to do.

The command line prints the line and exits with 2, the TUI shows it; nothing else is caught broadly.
"""


class ReeltopError(Exception):
    """Base of every error whose message is meant for a person."""


class ConfigError(ReeltopError):
    """A configuration file or a `--set` override that does not describe a run."""


class DataError(ReeltopError):
    """A data set, feature store or model folder that cannot be used."""


class StoreError(ReeltopError):
    """A store that cannot be opened, read or written."""


class RunError(ReeltopError):
    """A run that does not exist, or is not in the state that the request needs."""


class FilterError(ReeltopError):
    """A filter that cannot be understood; `position` is the offset of the first wrong character."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position
