"""The one error of everything that builds compiled networks."""


class CannotBuildError(ValueError):
    """It cannot be built of these weights here; the text says why, and what would help."""
