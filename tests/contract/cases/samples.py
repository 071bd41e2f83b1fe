"""A good call of each path, and an order that is there with what it looks like."""

from tests.contract.table import ADD, CHANGE, DELETE, GET_ALL, Placed, line
from tests.shop import TABLE

NOTHING = '{"orderId":[]}'
# A body that each path takes.
GOOD = {
    GET_ALL: None,
    ADD: f'{{"items":[{{"product":"{TABLE}","shipping":"Regular"}}],"address":"x"}}',
    CHANGE: '{"items":[]}',
    DELETE: NOTHING,
}
ORDER = Placed("674b46a8dc3d9360b4c32ede", (line("674b46a8dc3d9360b4c32edf"),))
ROWS = (
    f'[{{"orderId":"674b46a8dc3d9360b4c32ede","productId":"{TABLE}",'
    '"image":"1700110836527.webp","name":"brown table","price":30,"quantity":4,'
    '"shipping":"Regular","status":"pending","createdAt":"November 30, 2024","orderNum":1}]'
)
