"""Errors that reach a user: one line, a code for machines, an exit status."""

from __future__ import annotations


class ChronavError(Exception):
    """Base of the errors that are reported as one line, without a traceback.

    `code` names the kind of error; `key` or `path` names what is at fault, where there is one.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str, key: str | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.key = key
        self.path = path

    def __reduce__(self) -> tuple:
        # Ray pickles exceptions across processes; keyword-only arguments need this.
        return _rebuild, (type(self), str(self), self.code, self.key, self.path)

    def as_dict(self) -> dict[str, str]:
        """The `error` object of a JSON outcome."""
        fields = {"code": self.code, "message": str(self), "key": self.key, "path": self.path}
        return {name: value for name, value in fields.items() if value is not None}


class CallError(ChronavError):
    """The call was wrong (exit code 2): nothing has been written."""

    exit_code = 2


class JobError(ChronavError):
    """The job failed (exit code 1)."""


class Stopped(KeyboardInterrupt):
    """Asked to stop by a signal, and stopped in good order (exit code 128 + its number, as shells have it)."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def _rebuild(cls: type, message: str, code: str, key: str | None, path: str | None) -> ChronavError:
    return cls(message, code=code, key=key, path=path)
