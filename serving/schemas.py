"""The contract's models as schemas of OpenAPI 3.0.3, in the words that client generators understand.

pydantic writes JSON Schema for OpenAPI 3.1. Gateways and many generators read 3.0 only, and those that read 3.1 make
`anyOf` with `null` a type of its own, or name a type after a property's title.
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


class _OpenAPISchema(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """`nullable`, which by the letter only counts beside a `type`: a union has it on its first member as well."""
        inner = self.generate_inner(schema["schema"]) | {"nullable": True}
        if "oneOf" in inner:
            first, *others = inner["oneOf"]
            inner["oneOf"] = [first | {"nullable": True}, *others]
        return inner

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without `default: null`: absent is optional, and what null means is the description's to say."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """One word is an enumeration too; 3.0 has no `const`."""
        found = super().literal_schema(schema)
        return {"enum": [found.pop("const")]} | found if "const" in found else found

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        """`oneOf`, since no value is of two of the members; generators make one merged type of `anyOf`."""
        found = super().union_schema(schema)
        return {"oneOf": found.pop("anyOf")} | found if "anyOf" in found else found

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """An answer says that it may gain fields, or generated clients would refuse the first that does."""
        found = super().model_schema(schema)
        return found | {"additionalProperties": True} if self.mode == "serialization" else found

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        """Never: generators name types after titles."""
        return False
