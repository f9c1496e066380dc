"""Says what is wrong with the configuration, in words that help to mend it."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from node.config.reading import Place
from node.config.sections import Config

_WORDS = {
    "missing": "it is missing",
    "string_type": "it must be text (a number needs quotes)",
    "path_type": "it must be the name of a file or folder",
    "string_too_short": "it must not be empty",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false",
    "tuple_type": "it must be a list",
    "model_type": "it must hold keys",
    "dict_type": "it must hold keys",
    "greater_than": "it must be more than {gt:.10g}",
    "greater_than_equal": "it must be at least {ge:.10g}",
    "less_than_equal": "it must be at most {le:.10g}",
    "literal_error": "it must be {expected}",
    "value_error": "{error}",
}


def words(error: Mapping[str, Any]) -> str:
    """Say a complaint of pydantic's in plain words; values are not repeated, they may be secret."""
    if error["type"] == "extra_forbidden":
        known = _known_keys(error["loc"][:-1])
        near = nearest(str(error["loc"][-1]), known)
        return f"it is not a key{near or '; known here: ' + ', '.join(known)}"
    form = _WORDS.get(error["type"])
    return form.format(**error.get("ctx", {})) if form else str(error["msg"])


def _known_keys(place: Place) -> list[str]:
    section: type[BaseModel] = Config
    for part in place:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            inner = (get_args(annotation) or (annotation,))[0]
            assert isinstance(inner, type)  # noqa: S101 - only sections forbid keys
            section = inner
    return list(section.model_fields)


def nearest(word: str, known: Collection[str]) -> str:
    """Give "; did you mean ...?" if something known is like it."""
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""


def said(place: Place, what: str) -> str:
    """Make a sentence of a place and what is wrong there."""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    subject = key.removeprefix(".") or "the file"
    return f"{subject} {what[3:]}" if what.startswith("it ") else f"{subject}: {what}"
