"""What is known of the installed plugins, for lists and reference pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cmda_core.hookspecs import GraderOffer, Offer, SegmenterOffer, TranslatorOffer
from cmda_core.registry import Kind, Registry


@dataclass(frozen=True, slots=True)
class PluginFact:
    """One installed plugin.

    Attributes:
        kind: Which part of the method it can be.
        offer: What it says of itself.
        source: Module that it comes from.
    """

    kind: Kind
    offer: Offer
    source: str

    @property
    def capabilities(self) -> list[str]:
        """What it has, and what it needs of others."""
        if isinstance(self.offer, TranslatorOffer) and self.offer.shared_encoder:
            return ["shared encoder"]
        if isinstance(self.offer, GraderOffer) and self.offer.needs_encoder:
            return ["needs a shared encoder"]
        if isinstance(self.offer, SegmenterOffer) and self.offer.ignores_voxels:
            return ["ignores voxels"]
        return []

    def as_json(self) -> dict[str, object]:
        """The same as JSON-like values; the settings as a JSON Schema."""
        return {
            "kind": self.kind,
            "name": self.offer.name,
            "summary": self.offer.summary,
            "version": self.offer.version,
            "reference": self.offer.reference,
            "from": self.source,
            "capabilities": self.capabilities,
            "settings": self.offer.config.model_json_schema(),
        }


def plugin_facts(registry: Registry) -> list[PluginFact]:
    """All plugins that work, by kind and name."""
    return [
        PluginFact(kind, offer, registry.source(kind, name))
        for kind, offers in registry.offers().items()
        for name, offer in offers.items()
    ]


def settings_rows(model: type[BaseModel], prefix: str = "") -> list[list[str]]:
    """Name, type, default and meaning of every setting; nested models are flattened.

    Args:
        model: A configuration model.
        prefix: Put before the names, as in ``translator.``.
    """
    rows = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and _is_section(field):
            rows += settings_rows(annotation, f"{prefix}{name}.")
        else:
            meaning = " ".join((field.description or "").split())
            rows.append([f"{prefix}{name}", _type_text(field), _default_text(field), meaning])
    return rows


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.default, BaseModel) and not field.default.model_extra and not _has_plugin(field)


def _has_plugin(field: FieldInfo) -> bool:
    return hasattr(field.default, "plugin")


def _type_text(field: FieldInfo) -> str:
    limits = [text for text in map(_limit, field.metadata) if text]
    return ", ".join([_annotation_text(field.annotation), *limits])


def _annotation_text(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in parts)
    if origin is Annotated:
        return _annotation_text(parts[0])
    if origin in (Union, UnionType):
        return " or ".join(_annotation_text(part) for part in parts)
    if annotation is type(None):
        return "null"
    name = getattr(origin or annotation, "__name__", str(annotation))
    inner = ", ".join("..." if part is Ellipsis else _annotation_text(part) for part in parts)
    return f"{name}[{inner}]" if inner else name


def _limit(constraint: object) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
    return ", ".join(
        f"{sign} {getattr(constraint, name)}"
        for name, sign in signs.items()
        if getattr(constraint, name, None) is not None
    )


def _default_text(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        default = getattr(default, "plugin", default.model_dump(mode="json"))
    return str(default) if isinstance(default, Path) else json.dumps(default, default=str, ensure_ascii=False)
