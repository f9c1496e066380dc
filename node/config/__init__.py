"""Turns config.yaml into frozen, checked values; every complaint names its key and its line.

All complaints come at once, so that one look at the file can mend them all. What a key means is
said in config.yaml itself, which shows every key with its default.
"""

from pathlib import Path

from pydantic import ValidationError

from node.config.contradictions import TLS_FILES, contradictions
from node.config.environment import resolved
from node.config.reading import ConfigError, line_of, read
from node.config.sections import (
    Config,
    DatabaseSection,
    DeliverySection,
    ModelsSection,
    NodeSection,
    PeerSection,
    RetentionSection,
    RouteSection,
    Section,
    SettlingSection,
    TlsSection,
)
from node.config.words import said, words

__all__ = [
    "PLACES",
    "Config",
    "ConfigError",
    "DatabaseSection",
    "DeliverySection",
    "ModelsSection",
    "NodeSection",
    "PeerSection",
    "RetentionSection",
    "RouteSection",
    "Section",
    "SettlingSection",
    "TlsSection",
    "find",
    "load",
]

PLACES = (Path("config.yaml"), Path("/etc/radnode/config.yaml"))
"""Where the configuration is looked for when none is named, in this order."""


def find(explicit: Path | None) -> Path:
    """Give the file to load: the one named, or the first there is of `PLACES`.

    Raises:
        ConfigError: there is none.
    """
    for path in [explicit] if explicit is not None else PLACES:
        if path.is_file():
            return path
    looked = explicit if explicit is not None else " and ".join(map(str, PLACES))
    raise ConfigError(f"there is no configuration: looked for {looked}; name one with --config")


def load(path: Path) -> Config:
    """Load a configuration.

    `node.data_dir`, `models.dir` and the files of `tls` come out absolute, relative ones taken
    from the file's folder; a `database.url`, `tls.key_password` or peer's `passcode` of `env:NAME`
    comes out as what that environment variable holds.

    Raises:
        ConfigError: with every complaint, one a line: `file:line: key: what is wrong`.
    """
    folder = path.resolve().parent
    root, written, complaints = read(path)
    values, unset = resolved(written)
    complaints += unset
    config = Config()
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        complaints += [(one["loc"], words(one)) for one in error.errors(include_url=False)]
    complaints += contradictions(written, folder)
    if complaints:
        lines = sorted({(line_of(root, place), said(place, what)) for place, what in complaints})
        raise ConfigError("\n".join(f"{path}:{line}: {text}" for line, text in lines))
    return _settled(config, folder)


def _settled(config: Config, folder: Path) -> Config:
    """Make folders and files absolute."""
    named = {key: getattr(config.tls, key) for key in TLS_FILES}
    files = {key: folder / name for key, name in named.items() if name is not None}
    return config.model_copy(
        update={
            "node": config.node.model_copy(update={"data_dir": folder / config.node.data_dir}),
            "tls": config.tls.model_copy(update=files),
            "models": config.models.model_copy(update={"dir": folder / config.models.dir}),
        }
    )
