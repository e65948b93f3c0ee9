"""Errors that a user can act on. The command line prints their one sentence and exits with status 2."""


class MickeyHlocError(Exception):
    """Something about the input or the set-up is wrong; the message says what, in which file, and what to do."""


class InputError(MickeyHlocError, ValueError):
    """A file or an argument that cannot be used as it is."""


class BusyError(InputError):
    """Another process is writing the same output."""


class WeightsError(InputError):
    """A checkpoint that cannot be found, trusted, downloaded or loaded."""


class PartError(MickeyHlocError, TypeError):
    """A part that breaks its contract, or breaks down; the message names its class and what is wrong with it."""


class MissingDependencyError(MickeyHlocError, ImportError):
    """An optional package is needed; the message has the install line."""
