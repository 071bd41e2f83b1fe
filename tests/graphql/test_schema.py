"""The schema as a product: its conventions, its linter, and what a later one may change."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    is_introspection_type,
    is_specified_scalar_type,
)

from app.graphql.schema import build_schema
from app.graphql.schema_changes import SchemaChanges, schema_changes
from tests.e2e.server import ROOT

NODE = ROOT / "tests" / "node"
SCHEMA = build_schema().core
OWN = [
    kind
    for kind in SCHEMA.type_map.values()
    if not is_introspection_type(kind) and not is_specified_scalar_type(kind)
]
OBJECTS = [kind for kind in OWN if isinstance(kind, GraphQLObjectType)]


def named(ending: str) -> list[GraphQLObjectType]:
    found = [kind for kind in OBJECTS if kind.name.endswith(ending)]
    assert found
    return found


def fields_of(kind: GraphQLObjectType) -> dict[str, str]:
    return {name: str(field.type) for name, field in kind.fields.items()}


def output_fields() -> Iterator[tuple[str, GraphQLField]]:
    for kind in OWN:
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field


def elements() -> Iterator[tuple[str, str | None, str]]:
    """Each part of the schema: its path, its description, and the pattern of its name."""
    for kind in OWN:
        yield kind.name, kind.description, "[A-Z][a-z]+([A-Z][a-z]+)*"
        if isinstance(kind, GraphQLEnumType):
            for name, value in kind.values.items():
                yield f"{kind.name}.{name}", value.description, "[A-Z]+(_[A-Z]+)*"
        if isinstance(kind, GraphQLInputObjectType):
            for name, input_field in kind.fields.items():
                yield f"{kind.name}.{name}", input_field.description, "[a-z]+([A-Z][a-z]+)*"
    for path, field in output_fields():
        yield path, field.description, "[a-z]+([A-Z][a-z]+)*"
        for name, argument in field.args.items():
            yield f"{path}.{name}", argument.description, "[a-z]+([A-Z][a-z]+)*"


class TestConventions:
    def test_everything_is_described_in_sentences(self) -> None:
        bad = {
            path: text
            for path, text, _ in elements()
            if not text or not re.match(r"[A-Z0-9`]", text) or not text.endswith((".", ".)"))
        }
        assert bad == {}

    def test_names_look_alike(self) -> None:
        bad = [
            path
            for path, _, pattern in elements()
            if not re.fullmatch(pattern, path.split(".")[-1])
        ]
        assert bad == []

    def test_connections_and_edges(self) -> None:
        for connection in named("Connection"):
            name = connection.name.removesuffix("Connection")
            fields = fields_of(connection)
            fields.pop("totalCount", None)
            assert fields == {
                "edges": f"[{name}Edge!]!",
                "nodes": f"[{name}!]!",
                "pageInfo": "PageInfo!",
            }
            edge = SCHEMA.type_map[f"{name}Edge"]
            assert isinstance(edge, GraphQLObjectType)
            assert fields_of(edge) == {"cursor": "String!", "node": f"{name}!"}
        pages = [field for _, field in output_fields() if str(field.type).endswith("Connection!")]
        assert len(pages) == 4
        for field in pages:
            arguments = {name: str(argument.type) for name, argument in field.args.items()}
            assert (arguments["first"], arguments["after"]) == ("Int", "String")
            assert arguments.get("last", "Int") == "Int"
            assert ("before" in arguments) == ("last" in arguments)

    def test_mutations_take_an_input_and_return_a_payload_of_their_own(self) -> None:
        assert SCHEMA.mutation_type
        for name, field in SCHEMA.mutation_type.fields.items():
            stem = name[0].upper() + name[1:]
            assert {n: str(a.type) for n, a in field.args.items()} == {"input": f"{stem}Input!"}
            assert str(field.type) == f"{stem}Payload"
        payloads = named("Payload")
        assert len(payloads) == len(SCHEMA.mutation_type.fields)
        for payload in payloads:
            fields = fields_of(payload)
            assert fields.pop("userErrors") == "[UserError!]!"
            # What was changed is null when it was refused, and a list is empty.
            assert fields
            assert all(t.endswith("!]!") or not t.endswith("!") for t in fields.values())

    def test_ids_and_nodes(self) -> None:
        node = SCHEMA.type_map["Node"]
        assert isinstance(node, GraphQLInterfaceType)
        for kind in OBJECTS:
            if "id" in kind.fields:
                assert str(kind.fields["id"].type) == "ID!"
        assert {kind.name for kind in SCHEMA.get_possible_types(node)} == {
            *("ApiKey", "Order", "Product", "User"),
        }

    def test_what_is_deprecated_says_what_to_use(self) -> None:
        reasons = [field.deprecation_reason for _, field in output_fields()]
        assert [reason for reason in reasons if reason is not None and len(reason) < 10] == []

    def test_lists_hold_no_nulls_but_for_nodes(self) -> None:
        loose = [path for path, field in output_fields() if re.search(r"\[\w+\]", str(field.type))]
        assert loose == ["Query.nodes"]


class TestDocument:
    TEXT = (ROOT / "docs" / "schema.md").read_text()

    def test_it_has_every_error_code(self) -> None:
        """A word in capitals in the door's code is an enum's value or a code."""
        values = {name for kind in OWN if isinstance(kind, GraphQLEnumType) for name in kind.values}
        codes = {
            node.value
            for file in (ROOT / "app" / "graphql").glob("*.py")
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"[A-Z][A-Z_]{4,}", node.value)
        } - values
        assert len(codes) > 15
        rows = re.findall(r"^\| `([A-Z_]+)` \|", self.TEXT, re.MULTILINE)
        assert sorted(rows) == sorted(codes)


class TestLinter:
    BAD = '''"""A thing."""
type Thing { id: ID! other_name: String }
"""Roots."""
type Query {
  """Things."""
  things(first: Int): ThingConnection!
}
"""Things."""
type ThingConnection {
  """Things."""
  edges: [Thing!]!
}
"""Nobody has it."""
type Alone {
  """The id."""
  id: ID!
  """Old."""
  old: Int @deprecated
}
'''

    def lint(self, folder: Path) -> subprocess.CompletedProcess[str]:
        node = shutil.which("node")
        eslint = NODE / "node_modules" / "eslint" / "bin" / "eslint.js"
        if node is None or not eslint.is_file():
            pytest.skip(
                "the linter needs Node 20 or newer and the packages of tests/node: run npm ci there"
            )
        options = ["--no-config-lookup", "--config", str(NODE / "eslint.config.mjs")]
        return subprocess.run(
            [node, str(eslint), *options, "--max-warnings", "0", "schema.graphql"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_it_has_nothing_to_say(self) -> None:
        done = self.lint(ROOT)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_it_would_have(self, tmp_path: Path) -> None:
        (tmp_path / "schema.graphql").write_text(self.BAD)
        done = self.lint(tmp_path)
        assert done.returncode == 1, done.stderr
        assert set(re.findall(r"@graphql-eslint/([\w-]+)", done.stdout)) >= {
            "naming-convention",
            "no-unreachable-types",
            "relay-arguments",
            "relay-connection-types",
            "relay-edge-types",
            "require-deprecation-reason",
            "require-description",
        }


class TestChanges:
    EARLIER = """
        enum Size { SMALL LARGE OLD @deprecated(reason: "Use SMALL.") }
        interface Node { id: ID! }
        input Choice { size: Size! name: String color: Color @deprecated(reason: "Gone.") }
        enum Color { RED }
        type Part { id: ID! }
        type Thing implements Node {
          id: ID! name: String! size(unit: String, round: Int @deprecated(reason: "Is.")): Size
          part: Part @deprecated(reason: "Has none.")
        }
        type Query { thing(choice: Choice): Thing node: Node }
    """

    @pytest.mark.parametrize(
        ("before", "after", "breaking"),
        [
            ("name: String! ", "", "Field Thing.name was removed."),
            ("name: String!", "name: String",
             "Field Thing.name changed type from String! to String."),
            ("LARGE", "", "Enum value Size.LARGE was removed."),
            ("unit: String,", "", "Argument Thing.size(unit:) was removed."),
            ("unit: String", "unit: String!",
             "Argument Thing.size(unit:) has changed type from String to String!."),
            ("unit: String", "unit: String, a: Int!",
             "A required argument Thing.size(a:) was added."),
            ("name: String ", "name: String a: Int! ", "A required field Choice.a was added."),
            ("name: String ", "", "Field Choice.name was removed."),
            (" implements Node", "", "Thing no longer implements interface Node."),
            ("thing(choice: Choice): Thing ", "", "Field Query.thing was removed."),
            # What is deprecated may go, but not change.
            ("part: Part ", "part: [Part] ",
             "Field Thing.part changed type from Part to [Part]."),
            ('round: Int @deprecated(reason: "Is.")', "round: Int!",
             "Argument Thing.size(round:) has changed type from Int to Int!."),
            ("type Part { id: ID! }", "type Part { a: Int }", "Field Part.id was removed."),
            # Announced.
            ('part: Part @deprecated(reason: "Has none.")', "", None),
            ('OLD @deprecated(reason: "Use SMALL.")', "", None),
            (', round: Int @deprecated(reason: "Is.")', "", None),
            ('color: Color @deprecated(reason: "Gone.")', "", None),
            # More is never less.
            ("name: String! ", "name: String! more: Int ", None),
            ("part: Part", "part: Part!", None),
            ("size: Size!", "size: Size", None),
        ],
    )  # fmt: skip
    def test_what_breaks(self, before: str, after: str, breaking: str | None) -> None:
        assert before in self.EARLIER
        later = self.EARLIER.replace(before, after)
        for name in ("Color", "Part"):
            if not re.search(rf": \[?{name}", later):  # then code would not print it
                later = re.sub(rf"(enum|type) {name} {{[^}}]*}}", "", later)
        found = schema_changes(self.EARLIER, later).breaking
        assert found == (() if breaking is None else (breaking,))

    def test_what_may_surprise(self) -> None:
        later = self.EARLIER.replace("LARGE", "LARGE HUGE")
        later = later.replace("unit: String", "unit: String, a: Int")
        assert schema_changes(self.EARLIER, later) == SchemaChanges(
            breaking=(),
            dangerous=(
                "Enum value Size.HUGE was added.",
                "An optional argument Thing.size(a:) was added.",
            ),
        )

    def test_the_last_release_is_not_broken(self) -> None:
        released = (ROOT / "docs" / "released.graphql").read_text()
        assert schema_changes(released, build_schema().sdl).breaking == ()
