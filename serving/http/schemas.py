"""The contract's models as schemas of OpenAPI 3.0.3, in the words that client generators understand.

pydantic writes JSON Schema for OpenAPI 3.1. Gateways and many generators read 3.0 only; some make a type of `anyOf`
with `null`, or name a type after a property's title; and none makes a good one of a union, since what Jackson reads
for Java fits every member of it. So what may be a number or a string has no type here, and the two kinds of results in
a batch are one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

REF = "#/components/schemas/{model}"


def schemas(models: Iterable[tuple[type[BaseModel], JsonSchemaMode]]) -> dict[str, Any]:
    """The models, and whatever they refer to, by name."""
    _, document = models_json_schema(list(models), ref_template=REF, schema_generator=_OpenAPISchema)
    found: dict[str, Any] = document["$defs"]
    return found


def merged(title: str, description: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """One object that is like one of the parts: every property of each, none of them required."""
    return {
        "type": "object",
        "title": title,
        "description": description,
        "properties": {name: schema for part in parts for name, schema in part["properties"].items()},
        "additionalProperties": True,
    }


class _OpenAPISchema(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """`nullable`, and null among enumerated words; what has no type may be null as it is."""
        inner = self.generate_inner(schema["schema"])
        if "enum" in inner:  # OpenAPI 3.0.3: `nullable` alone allows no value that the enumeration lacks
            inner = inner | {"enum": [*inner["enum"], None]}
        return inner | {"nullable": True} if inner else inner

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without `default: null`: absent is optional, and what null means is the description's to say."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """One word is an enumeration too; 3.0 has no `const`."""
        found = super().literal_schema(schema)
        return {"enum": [found.pop("const")]} | found if "const" in found else found

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:  # noqa: ARG002  # pydantic's signature
        """Anything."""
        return {}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """An answer says that it may gain fields, or generated clients would refuse the first that does."""
        found = super().model_schema(schema)
        return found | {"additionalProperties": True} if self.mode == "serialization" else found

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        """Never: generators name types after titles."""
        return False
