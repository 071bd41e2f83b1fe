-- customer
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT json_group_array(json_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping)) AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?));

UPDATE orders SET address=?, version=(orders.version + 1), updated_at=? WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?)) AND orders.id || ' ' || CAST(orders.version AS TEXT) IN (SELECT value FROM json_each(?)) RETURNING id;

SELECT users.name, users.email 
FROM users 
WHERE users.id = ?;

INSERT INTO order_words (user_id, order_id, words) VALUES (?, ?, ?) ON CONFLICT (user_id, order_id) DO UPDATE SET words = excluded.words WHERE order_words.words != excluded.words;

INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

SELECT orders.id, orders.version, json_object('version',orders.version), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('product',CASE WHEN p.id IS NULL THEN NULL ELSE json_object('name',p.name) END) AS item FROM order_items AS i LEFT JOIN products AS p ON p.id=i.product_id AND p.deleted_at IS NULL WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)), json_object('updatedAt',substr(orders.updated_at,1,23)||'Z') 
FROM orders 
WHERE orders.id IN (SELECT value FROM json_each(?)) AND orders.user_id = ?;

-- admin
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT json_group_array(json_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping)) AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.id IN (SELECT value FROM json_each(?));

UPDATE orders SET address=?, version=(orders.version + 1), updated_at=? WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?)) AND orders.id || ' ' || CAST(orders.version AS TEXT) IN (SELECT value FROM json_each(?)) RETURNING id;

SELECT users.name, users.email 
FROM users 
WHERE users.id = ?;

INSERT INTO order_words (user_id, order_id, words) VALUES (?, ?, ?) ON CONFLICT (user_id, order_id) DO UPDATE SET words = excluded.words WHERE order_words.words != excluded.words;

INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

SELECT orders.id, orders.version, json_object('version',orders.version), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('product',CASE WHEN p.id IS NULL THEN NULL ELSE json_object('name',p.name) END) AS item FROM order_items AS i LEFT JOIN products AS p ON p.id=i.product_id AND p.deleted_at IS NULL WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)), json_object('updatedAt',substr(orders.updated_at,1,23)||'Z') 
FROM orders 
WHERE orders.id IN (SELECT value FROM json_each(?)) AND orders.user_id = ?;
