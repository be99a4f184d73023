"""What may go wrong in a thread without ending the interface, and how it is said in one line."""

from engine.errors import ReeltopError
from engine.format import printable


def expected() -> tuple[type[Exception], ...]:
    """A person's mistakes, the machine's and the database's; for threads, as SQLAlchemy takes its time to import."""
    from sqlalchemy.exc import SQLAlchemyError

    return ReeltopError, OSError, SQLAlchemyError


def one_line(error: Exception) -> str:
    """The reason, without the statement that a database error carries along."""
    if isinstance(error, ReeltopError):
        return str(error)
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return printable(lines[0]) if lines else type(error).__name__
