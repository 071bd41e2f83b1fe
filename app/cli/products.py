"""`orders products`: the catalogue, and filling it from a file."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import orjson
import typer
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.work import in_transaction, print_table, reading
from app.domain.ids import ProductId, parse_object_id
from app.domain.money import DEFAULT_CURRENCY, decimal_amount, minor_from_decimal
from app.domain.order import Product, text_problem
from app.services.products import first_products, replace_products

app = typer.Typer(help="The catalogue.", no_args_is_help=True)

_BATCH = 1_000
_MOST_COMPLAINTS = 20


def _id(value: object) -> str:
    id_ = parse_object_id(value) if isinstance(value, str) else None
    if id_ is None:
        raise ValueError("must be an id of 24 hex digits")
    return id_


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if problem := text_problem(value):
        raise ValueError(problem)
    return value


def _optional_text(value: object) -> str | None:
    return None if value in {None, ""} else _text(value)


def _price(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a number such as 19.99")
    return minor_from_decimal(str(value))


class _Line(BaseModel):
    """One product of a file."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, BeforeValidator(_id)]
    name: Annotated[str, BeforeValidator(_text)]
    price: Annotated[int, BeforeValidator(_price)] = Field(description="In minor units.")
    image: Annotated[str | None, BeforeValidator(_optional_text)] = None
    description: Annotated[str | None, BeforeValidator(_optional_text)] = None

    def product(self) -> Product:
        return Product(
            ProductId(self.id),
            self.name,
            self.image,
            self.description or "",
            self.price,
            DEFAULT_CURRENCY,
        )


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="JSON lines, or CSV with a header (by its ending .csv).",
        ),
    ],
) -> None:
    """Add products, or replace those with the same id. All lines are taken, or none.

    Each has id, name and price (19.99), and may have image and description.
    """
    products = _read(file)

    async def work(connection: AsyncConnection) -> None:
        with typer.progressbar(
            range(0, len(products), _BATCH), label="Importing", file=sys.stderr
        ) as starts:
            for start in starts:
                await replace_products(connection, products[start : start + _BATCH])

    in_transaction(work)
    typer.echo(f"Imported {len(products)} products.", err=True)


@app.command("list")
def list_() -> None:
    """List all products by name."""
    products = reading(lambda connection: first_products(connection, size=None))
    print_table(
        ("ID", "NAME", "PRICE", "IMAGE"),
        [
            (
                product.id,
                product.name,
                f"{decimal_amount(product.price_minor)} {product.currency}",
                product.image or "-",
            )
            for product in products
        ],
    )


def _read(file: Path) -> list[Product]:
    """The products in a file.

    Raises:
        RuntimeError: a line can't be used; the message lists such lines with their numbers.
    """
    products: dict[str, tuple[int, Product]] = {}
    complaints: list[str] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = _csv(text) if file.suffix.lower() == ".csv" else _json_lines(text)
            for number, content in lines:
                try:
                    if isinstance(content, str):
                        raise ValueError(content)  # noqa: TRY301 (reported like the others)
                    product = _Line.model_validate(content).product()
                    if product.id in products:
                        first = products[product.id][0]
                        raise ValueError(f"id: stands on line {first} already")  # noqa: TRY301
                    products[product.id] = (number, product)
                except ValidationError as error:
                    complaints += [f"line {number}: {_phrase(dict(e))}" for e in error.errors()]
                except ValueError as error:
                    complaints.append(f"line {number}: {error}")
    except UnicodeDecodeError:
        raise RuntimeError(f"{file} is not in UTF-8; nothing was imported") from None
    except csv.Error as error:
        raise RuntimeError(f"{file} is not valid CSV ({error}); nothing was imported") from None
    if complaints:
        more = len(complaints) - _MOST_COMPLAINTS
        shown = complaints[:_MOST_COMPLAINTS] + ([f"and {more} more"] if more > 0 else [])
        raise RuntimeError("\n".join([f"{file}: nothing was imported", *shown]))
    return [product for _, product in products.values()]


def _json_lines(text: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            try:
                content = orjson.loads(line)
            except orjson.JSONDecodeError:
                content = "not valid JSON"
            yield number, content if isinstance(content, dict | str) else "not a JSON object"


def _csv(text: TextIO) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(text, strict=True)
    header = reader.fieldnames or ()
    missing = [
        name
        for name, field in _Line.model_fields.items()
        if field.is_required() and name not in header
    ]
    if missing:
        yield 1, f"the header lacks {', '.join(missing)} (columns are separated by commas)"
        return
    for row in reader:
        if None in row:
            yield reader.line_num, "more columns than the header has"
        else:
            # A short row has None for what it lacks: as if the column were not there.
            yield reader.line_num, {k: v for k, v in row.items() if v is not None}


def _phrase(error: dict[str, Any]) -> str:
    if error["type"] == "missing":
        return f"{error['loc'][0]}: is missing"
    return f"{error['loc'][0]}: {str(error['msg']).removeprefix('Value error, ')}"
