"""Every error that a user can see. Each names the place, what was found, what was expected, and the next step."""


class SigmaError(Exception):
    """Base of all errors raised on purpose: the command line prints its message without a traceback."""

    exit_code = 1
    """What the command line returns: 1 failed, 2 bad usage or input."""


class SettingsError(SigmaError):
    """A setting has a value that cannot be used."""

    exit_code = 2


class HoldingsError(SigmaError):
    """A holdings file or a portfolio cannot be imported; carries every problem found."""

    exit_code = 2


class PortfolioNotFoundError(SigmaError):
    """No portfolio has this id."""

    exit_code = 2


class CalendarError(SigmaError):
    """A date is not a session, or lies outside the calendar."""

    exit_code = 2


class StorageError(SigmaError):
    """The database cannot be used as it is."""


class SchemaVersionError(StorageError):
    """The database schema is older or newer than this version of the code."""


class ProviderError(SigmaError):
    """A price source gave no usable answer."""


class ProviderUnavailableError(ProviderError):
    """The source could not be reached or kept failing after retries: try again later."""


class ProviderAccessError(ProviderError):
    """The source refuses us (key, entitlement): a person must act."""


class PriceFileError(ProviderError):
    """A price file has rows that cannot be used; names file, line, column and value."""
