"""Holds an object against the modules that its IOD demands (PS3.3 Annex A): types 1 and 2.

The tables are those of PS3.3 as the library that builds results ships them, all sequences
included. What a condition decides (1C, 2C) is not in them in a form that can be computed; nor are
the content items of documents, whose few rules stand here.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from highdicom import _standard_utils as standard
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.results.lineage import IMAGE_INHERITED, INHERITED

_INHERITED = frozenset(
    (
        *(*INHERITED, *IMAGE_INHERITED),
        *("RequestedProcedureCodeSequence", "ReasonForRequestedProcedureCodeSequence"),
    )
)
"""What is taken over from the images as it is, and is not ours to judge."""
_OF_FRAMES = "PerFrameFunctionalGroupsSequence"
"""Thousands of items, which `masks` looks at."""
_OF_ALL_FRAMES = "SharedFunctionalGroupsSequence"
"""Where each group may stand, if it does not stand in those of the frames."""
_TREES = ("sr-document-content",)
"""Modules whose tables list what only some kinds of content items have."""
_NEEDED = {
    "CONTAINER": ("ContinuityOfContent",),
    "TEXT": ("TextValue",),
    "CODE": ("ConceptCodeSequence",),
    "NUM": ("MeasuredValueSequence",),
    "UIDREF": ("UID",),
    "IMAGE": ("ReferencedSOPSequence",),
    "COMPOSITE": ("ReferencedSOPSequence",),
    "SCOORD": ("GraphicType", "GraphicData"),
    "PNAME": ("PersonName",),
    "DATETIME": ("DateTime",),
}
"""What each kind of content item has to have (PS3.3 C.17.3, C.18)."""
_UNNAMED = ("IMAGE", "COMPOSITE", "SCOORD")
"""Kinds of content items that may do without a name."""


class Rule(NamedTuple):
    """An attribute that must be there: with a value (type 1), or at least empty (type 2).

    Of one that need not be there (`kind` is then 3), `below` says what its items must have.
    """

    tag: int
    keyword: str
    kind: int
    below: "tuple[Rule, ...]"


def module_problems(what: str, ds: Dataset) -> Iterator[str]:
    """Name what an object lacks of the modules that are mandatory in its IOD."""
    rules = rules_of(text_of(ds, "SOPClassUID"))
    if not rules:
        yield f"the {what} is of no SOP class that is known"
    yield from _lacking(what, ds, rules)
    for item in ds.get("ContentSequence", ()):
        yield from _lacking_in_content(what, item)


@cache
def rules_of(sop_class: str) -> tuple[Rule, ...]:
    """Give what objects of a SOP class must have; nothing for a class that is not known."""
    iod = standard.get_sop_class_iod_map().get(sop_class, "")
    attributes = standard.get_module_attribute_map()
    strictest: dict[tuple[str, ...], int] = {}
    for module in standard.get_iod_module_map().get(iod, ()):
        if module["usage"] != "M" or module["key"] in _TREES:
            continue
        own: dict[tuple[str, ...], int] = {}
        for one in attributes.get(module["key"], ()):
            path = (*one["path"], one["keyword"])
            kind = 3 if path[:-1] == (_OF_ALL_FRAMES,) else _kind(one["type"])
            own[path] = max(kind, own.get(path, kind))  # where macros differ, any of them will do
        for path, kind in own.items():
            strictest[path] = min(kind, strictest.get(path, kind))
    tree: dict[tuple[str, ...], list[str]] = {}
    for path in strictest:
        tree.setdefault(path[:-1], []).append(path[-1])
    return _rules((), tree, strictest)


def _kind(written: str) -> int:
    return int(written) if written in ("1", "2") else 3


def _rules(
    above: tuple[str, ...],
    tree: dict[tuple[str, ...], list[str]],
    kinds: dict[tuple[str, ...], int],
) -> tuple[Rule, ...]:
    made = []
    for keyword in tree.get(above, ()):
        path, tag = (*above, keyword), tag_for_keyword(keyword)
        ours = keyword not in _INHERITED and keyword != _OF_FRAMES
        below = _rules(path, tree, kinds) if ours else ()
        if tag is not None and (below or kinds[path] < 3):
            made.append(Rule(tag, keyword, kinds[path], below))
    return tuple(made)


def _lacking(what: str, ds: Dataset, rules: Sequence[Rule]) -> Iterator[str]:
    there = ds.keys()
    for rule in rules:
        if rule.tag not in there:
            if rule.kind < 3:
                yield f"the {what} has no {rule.keyword}, which is of type {rule.kind}"
            continue
        if rule.kind == 1 and _is_empty(ds, rule.tag):
            yield f"the {what} has an empty {rule.keyword}, which is of type 1"
        if rule.below:
            for item in _items(ds, rule.tag):
                yield from _lacking(what, item, rule.below)


def _is_empty(ds: Dataset, tag: int) -> bool:
    """Say whether there is no value, without decoding it."""
    element: object = ds.get_item(tag)
    if isinstance(element, RawDataElement):
        return element.length == 0
    return ds[tag].is_empty


def _items(ds: Dataset, tag: int) -> Sequence[Dataset]:
    """Give the items of a sequence; of one that is so large that it is still in the file, none."""
    element: object = ds.get_item(tag)
    if isinstance(element, RawDataElement) and element.value is None:
        return ()
    return ds[tag].value or ()


def _lacking_in_content(what: str, item: Dataset) -> Iterator[str]:
    kind, there = text_of(item, "ValueType"), item.keys()
    for tag, keyword in _needed(kind):
        if tag not in there or _is_empty(item, tag):
            yield f"the {what} has a content item ({kind}) without {keyword}"
    for child in item.get("ContentSequence", ()):
        yield from _lacking_in_content(what, child)


@cache
def _needed(kind: str) -> tuple[tuple[int, str], ...]:
    named = () if kind in _UNNAMED else ("ConceptNameCodeSequence",)
    keywords = ("ValueType", "RelationshipType", *named, *_NEEDED.get(kind, ()))
    return tuple((tag_for_keyword(keyword) or 0, keyword) for keyword in keywords)
