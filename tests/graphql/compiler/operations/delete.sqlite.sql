-- customer
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT json_group_array(json_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping)) AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?));

DELETE FROM orders WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?)) AND orders.id || ' ' || CAST(orders.version AS TEXT) IN (SELECT value FROM json_each(?)) RETURNING id;

INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- admin
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT json_group_array(json_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping)) AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.id IN (SELECT value FROM json_each(?));

DELETE FROM orders WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?)) AND orders.id || ' ' || CAST(orders.version AS TEXT) IN (SELECT value FROM json_each(?)) RETURNING id;

INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
