"""GET /orders/get_all: the rows, their order, numbers, prices and dates."""

from app.domain.order import OrderStatus, ShippingMethod
from tests.contract.table import Placed, Sql, add, call, case, change, delete, get_all, line, under
from tests.shop import CUSTOMER, LAMP, OTHER, STOOL, TABLE, UNKNOWN

FIRST, SECOND, THIRD = (f"674b46a8dc3d9360b4c32e{n:02x}" for n in (0x10, 0x20, 0x30))


def _row(
    order_id: str,
    number: int,
    *,
    product: str = TABLE,
    image: str = '"1700110836527.webp"',
    name: str = "brown table",
    price: str = "30",
    quantity: int = 4,
    shipping: str = "Regular",
    status: str = "pending",
    created: str = "November 30, 2024",
) -> str:
    return (
        f'{{"orderId":"{order_id}","productId":"{product}","image":{image},"name":"{name}",'
        f'"price":{price},"quantity":{quantity},"shipping":"{shipping}","status":"{status}",'
        f'"createdAt":"{created}","orderNum":{number}}}'
    )


def _one(id_: str = FIRST, number: int = 1, user: str = CUSTOMER) -> Placed:
    return Placed(id_, (line(id_[:-1] + "f"),), number, user)


ROWS = [
    case("no orders are an empty list", get_all("[]")),
    case(
        "the documented answer",
        Placed("674b37b8dc3d9360b4c32e72", (line("674b37b8dc3d9360b4c32e73"),)),
        get_all(
            '[{"orderId":"674b37b8dc3d9360b4c32e72","productId":"6555a1f49feeac7dccd9b1ee",'
            '"image":"1700110836527.webp","name":"brown table","price":30,"quantity":4,'
            '"shipping":"Regular","status":"pending","createdAt":"November 30, 2024","orderNum":1}]'
        ),
    ),
    case(
        "highest number first, items as they were sent, whatever their ids and dates",
        Placed(THIRD, (line(UNKNOWN), line(FIRST, LAMP, 1, name="lamp")), 1),
        Placed(
            FIRST,
            (
                line("b" * 24, STOOL, 2, ShippingMethod.BUDGET, name="stool", price_minor=1999),
                line("a" * 24, shipping=ShippingMethod.NEXT_DAY),
                line("c" * 24),
            ),
            2,
            status=OrderStatus.DELIVERY,
            created_at="2023-01-05T00:00:00+00:00",
        ),
        get_all(
            "["
            + ",".join(
                (
                    _row(
                        FIRST,
                        2,
                        product=STOOL,
                        name="stool",
                        price="19.99",
                        quantity=2,
                        shipping="Budget",
                        status="delivery",
                        created="January 5, 2023",
                    ),
                    _row(
                        FIRST, 2, shipping="Next day", status="delivery", created="January 5, 2023"
                    ),
                    _row(FIRST, 2, status="delivery", created="January 5, 2023"),
                    _row(THIRD, 1),
                    _row(THIRD, 1, product=LAMP, name="lamp", quantity=1),
                )
            )
            + "]"
        ),
    ),
    case(
        "one's own only, also for an administrator",
        _one(),
        _one(SECOND, 1, OTHER),
        get_all("[]", key="<key admin>"),
        get_all(f"[{_row(SECOND, 1)}]", key="<key other>"),
        get_all(f"[{_row(FIRST, 1)}]"),
    ),
    case(
        "text is kept as it is",
        Placed(FIRST, (line(SECOND, name='Café "Zoë" \\ 🏠 </b>\u2028'),)),
        get_all("[" + _row(FIRST, 1, name='Café \\"Zoë\\" \\\\ 🏠 </b>\u2028') + "]"),
    ),
]

# Prices of products in cents, and the numbers that JavaScript prints for them.
PRICES = [
    case(
        f"{minor} cents are {printed}",
        Placed(FIRST, (line(SECOND, quantity=1, price_minor=minor),)),
        get_all(f"[{_row(FIRST, 1, price=printed, quantity=1)}]"),
    )
    for minor, printed in (
        (0, "0"),
        (1, "0.01"),
        (7, "0.07"),
        (10, "0.1"),
        (29, "0.29"),
        (57, "0.57"),
        (58, "0.58"),
        (99, "0.99"),
        (100, "1"),
        (101, "1.01"),
        (110, "1.1"),
        (115, "1.15"),
        (820, "8.2"),
        (1000, "10"),
        (1999, "19.99"),
        (3000, "30"),
        (10010, "100.1"),
        (112249, "1122.49"),
        (12345678, "123456.78"),
        (100000000, "1000000"),
        (90071992547409, "900719925474.09"),
        (999999999999900, "9999999999999"),
        (999999999999999, "9999999999999.99"),
    )
]

DATES = [
    case(
        f"{instant} is {shown}",
        Placed(FIRST, (line(SECOND),), created_at=f"{instant}+00:00"),
        get_all(f"[{_row(FIRST, 1, created=shown)}]"),
    )
    for instant, shown in (
        ("2024-01-01T00:00:00", "January 1, 2024"),
        ("2023-12-31T23:59:59.999", "December 31, 2023"),
        ("2024-02-29T14:59:59", "February 29, 2024"),
        ("2024-02-29T15:00:00", "February 29, 2024"),
        ("2025-03-09T12:00:00", "March 9, 2025"),
        ("2025-04-10T12:00:00", "April 10, 2025"),
        ("2025-05-31T23:00:00", "May 31, 2025"),
        ("2025-06-01T00:30:00", "June 1, 2025"),
        ("2025-07-04T20:00:00", "July 4, 2025"),
        ("2025-08-15T12:00:00", "August 15, 2025"),
        ("2025-09-30T23:59:59", "September 30, 2025"),
        ("2025-10-26T01:30:00", "October 26, 2025"),
        ("2024-11-30T17:08:56.123", "November 30, 2024"),
        ("1999-12-31T23:59:59", "December 31, 1999"),
    )
]

KEPT = [
    case(
        "an order shows what was bought, not what the product is now",
        add(f'{{"items":[{{"product":"{TABLE}","shipping":"Regular"}}],"address":"x"}}'),
        Sql("UPDATE products SET name = 'new', image = 'new.webp', price_minor = 1"),
        get_all(f"[{_row('<order 1>', 1, quantity=1, created='<date 1>')}]"),
        difference="bought-values",
    ),
    case(
        "a product without an image is null",
        add(f'{{"items":[{{"product":"{STOOL}","shipping":"Regular"}}],"address":"x"}}'),
        get_all(
            "["
            + _row(
                "<order 1>",
                1,
                product=STOOL,
                image="null",
                name="stool",
                price="19.99",
                quantity=1,
                created="<date 1>",
            )
            + "]"
        ),
        difference="image",
    ),
    case(
        "numbers stay when an order before them is deleted",
        _one(FIRST, 1),
        _one(SECOND, 2),
        _one(THIRD, 3),
        delete(f'{{"orderId":["{SECOND}"]}}', 1),
        get_all(f"[{_row(THIRD, 3)},{_row(FIRST, 1)}]"),
        difference="numbers",
    ),
    case(
        "a number is not given again when the latest order is deleted",
        _one(FIRST, 1),
        _one(SECOND, 2),
        delete(f'{{"orderId":["{SECOND}","{FIRST}"]}}', 2),
        get_all("[]"),
        add(f'{{"items":[{{"product":"{TABLE}","shipping":"Regular"}}],"address":"x"}}'),
        get_all(f"[{_row('<order 3>', 3, quantity=1, created='<date 3>')}]"),
        difference="numbers",
    ),
    case(
        "an imported order without items uses up a number and has no row",
        Placed(FIRST, (), 1),
        _one(SECOND, 2),
        get_all(f"[{_row(SECOND, 2)}]"),
    ),
    case(
        "a product that is gone leaves the row as bought",
        _one(),
        Sql("DELETE FROM products"),
        get_all(f"[{_row(FIRST, 1)}]"),
        Sql("UPDATE products SET deleted_at = '2025-01-01T00:00:00.000000Z'"),
        get_all(f"[{_row(FIRST, 1)}]"),
        difference="deleted-product",
    ),
    case(
        "an imported item whose product was gone already",
        Placed(FIRST, (line(SECOND, UNKNOWN, name="Deleted product", image="", price_minor=0),)),
        get_all(
            "["
            + _row(FIRST, 1, product=UNKNOWN, image='""', name="Deleted product", price="0")
            + "]"
        ),
        difference="deleted-product",
    ),
    case(
        "a change of status shows",
        _one(),
        change(
            f'{{"items":[{{"orderId":"{FIRST}","status":"completed"}}]}}',
            f'[{{"_id":"{FIRST}","user":"{CUSTOMER}","items":[{{"product":"{TABLE}","quantity":4,'
            f'"shipping":"Regular","_id":"{FIRST[:-1]}f"}}],"status":"completed",'
            '"address":"1 Main St, Carlton","createdAt":"2024-11-30T17:08:56.123Z","__v":1}]',
        ),
        get_all(f"[{_row(FIRST, 1, status='completed')}]"),
    ),
    case(
        "query parameters are ignored",
        _one(),
        *(
            call(("GET", f"/orders/get_all{query}"), None, f"[{_row(FIRST, 1)}]")
            for query in ("?", "?limit=0&page=9", f"?user={OTHER}", "?%FF=%00", "?" + "x" * 4_000)
        ),
    ),
]

CASES = under("/orders/get_all", ROWS, PRICES, DATES, KEPT)
