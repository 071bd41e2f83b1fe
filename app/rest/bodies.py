"""What the four paths take and what they answer, as types.

Requests are validated by their types. Answers are written as plain dictionaries that go straight
to JSON: their types are for the type checker, and cost nothing. The REST reference is made of both.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from typing_extensions import TypedDict

from app.domain.ids import OBJECT_ID_PATTERN
from app.domain.order import MAX_ITEMS, MAX_QUANTITY, OrderStatus, ShippingMethod


def _whole(value: object) -> object:
    # JSON has one kind of number: 2.0 is 2.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Entry = TypeVar("Entry")

# Refused at the first bad entry: a megabyte holds half a million, and one sentence is answered.
_List = Annotated[list[Entry], FailFast()]

# `$` is the very end here, not before a newline as in Python's own patterns.
_SentId = Annotated[str, StringConstraints(pattern=f"^{OBJECT_ID_PATTERN}$", to_lower=True)]

# The services refuse what is beyond these limits, with a better sentence than a pattern gives;
# here they are only told to readers of the reference. Tests send what is inside and outside.
_Quantity = Annotated[
    int,
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY}),
]
_Address = Annotated[
    str,
    WithJsonSchema(
        # Blank by what Python strips, a little more than a pattern's \s.
        {"type": "string", "pattern": r"^[^\u0000]*[^\u0000\s\u001c-\u001f\u0085][^\u0000]*$"}
    ),
]


class RequestBody(BaseModel):
    """A request body. Unknown fields are passed over, values of another type are refused."""

    model_config = ConfigDict(strict=True, extra="ignore")


class AddItem(RequestBody):
    """One line of a new order."""

    product: _SentId = Field(description="The id of a product in the catalogue.")
    shipping: Literal["Next day", "Regular", "Budget"] = Field(description="How it travels.")
    quantity: _Quantity = Field(1, description="How many. `2.0` is 2; null is refused.")


class AddBody(RequestBody):
    """A new order."""

    items: _List[AddItem] = Field(
        description="The same product may stand in several; each stays a row.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_ITEMS},
    )
    address: _Address = Field(
        description="Not blank, without the character NUL; kept byte for byte."
    )


class StatusItem(RequestBody):
    """One order's new status."""

    order_id: _SentId = Field(alias="orderId", description="An unknown id is passed over.")
    status: Literal["pending", "delivery", "completed"] = Field(
        description="Any status may follow any other."
    )


class StatusBody(RequestBody):
    """New statuses of orders."""

    items: _List[StatusItem] = Field(description="Of two for the same order the last wins.")


class DeleteBody(RequestBody):
    """Orders to delete."""

    order_ids: _List[_SentId] = Field(
        alias="orderId", description="Unknown and repeated ids are passed over."
    )


_Id = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
_AnsweredQuantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]


class OrderRow(TypedDict):
    """One item of one order, with the name, image and price of the day it was bought."""

    orderId: _Id
    productId: _Id
    image: Annotated[
        str | None,
        Field(description="A file under `/products/` of the shop; null when there is none."),
    ]
    name: str
    price: Annotated[
        float, Field(ge=0, description="Dollars, as JavaScript prints them: `30`, `19.99`.")
    ]
    quantity: _AnsweredQuantity
    shipping: ShippingMethod
    status: OrderStatus
    createdAt: Annotated[
        str,
        Field(
            pattern="^[A-Z][a-z]+ [1-9][0-9]?, [0-9]{4}$",
            description="The day in UTC, in English, without a zero before it.",
        ),
    ]
    orderNum: Annotated[
        int, Field(ge=1, description="Counts the caller's orders from 1; kept for good.")
    ]


class DocumentItem(TypedDict):
    """One line of an order."""

    product: _Id
    quantity: _AnsweredQuantity
    shipping: ShippingMethod
    _id: _Id


# Not as a class: `__v` would be taken for a private name of it.
OrderDocument = TypedDict(
    "OrderDocument",
    {
        "_id": _Id,
        "user": Annotated[_Id, Field(description="Whose order it is.")],
        "items": list[DocumentItem],
        "status": OrderStatus,
        "address": str,
        "createdAt": Annotated[
            str,
            Field(
                pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
                description="In UTC, always with three decimals.",
                json_schema_extra={"format": "date-time"},
            ),
        ],
        "__v": Annotated[int, Field(ge=0, description="Counts the changes of the order.")],
    },
)


class Deleted(TypedDict):
    """How many orders are gone."""

    acknowledged: Literal[True]
    deletedCount: Annotated[int, Field(ge=0)]


class Refusal(TypedDict):
    """Why a call was refused, in one sentence."""

    msg: str


class KeyRefusal(TypedDict):
    """The key was refused."""

    message: Literal["Unauthorized", "Forbidden"]


NO_KEY: KeyRefusal = {"message": "Unauthorized"}
WRONG_KEY: KeyRefusal = {"message": "Forbidden"}
NO_ADMINISTRATOR: Refusal = {"msg": "unauthorized user, you are not an administrator"}
UNEXPECTED: Refusal = {"msg": "request error"}
ORDER_SUCCESS = "ORDER SUCCESS"
