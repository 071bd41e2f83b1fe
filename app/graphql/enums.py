"""The domain's words as enums of the schema. Who takes one from here finds it published."""

from app.domain.order import EventSource, EventType, OrderStatus, ShippingMethod
from app.graphql.publish import publish_enum

__all__ = ["EventSource", "EventType", "OrderStatus", "ShippingMethod"]

publish_enum(
    OrderStatus,
    name="OrderStatus",
    description="Where an order stands. REST spells it in lower case.",
    values={
        "PENDING": "Placed, not sent yet. REST: `pending`.",
        "DELIVERY": "On its way. REST: `delivery`.",
        "COMPLETED": "Received by the customer. REST: `completed`.",
    },
)
publish_enum(
    ShippingMethod,
    name="ShippingMethod",
    description="How one item travels.",
    values={
        "NEXT_DAY": "REST: `Next day`.",
        "REGULAR": "REST: `Regular`.",
        "BUDGET": "REST: `Budget`.",
    },
)
publish_enum(
    EventType,
    name="OrderEventType",
    description="What happened to an order.",
    values={
        "CREATED": "It was placed.",
        "STATUS_CHANGED": "Its status changed.",
        "ADDRESS_CHANGED": "Its delivery address changed.",
        "DELETED": "It was deleted.",
        "RESTORED": "It was brought back.",
    },
)
publish_enum(
    EventSource,
    name="EventSource",
    description="The door a change came through.",
    values={
        "GRAPHQL": "A GraphQL mutation.",
        "REST": "A legacy REST path.",
        "IMPORT": "The importer or the command line.",
    },
)
