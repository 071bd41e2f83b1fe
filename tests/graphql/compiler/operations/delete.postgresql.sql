-- customer
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT coalesce(json_agg(json_build_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping))::text, '[]') AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.id = ANY ($2::TEXT[]);

DELETE FROM orders WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.id = ANY ($2::TEXT[]) AND orders.id || ' ' || CAST(orders.version AS TEXT) = ANY ($3::TEXT[]) RETURNING orders.id;

WITH announced AS 
(SELECT pg_advisory_xact_lock_shared(7311031045082578944 | (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM order_events_seq_seq)))
 INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) SELECT $1::VARCHAR COLLATE "C" AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::INTEGER AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, $6::VARCHAR COLLATE "C" AS anon_6, $7::VARCHAR COLLATE "C" AS anon_7, $8::VARCHAR COLLATE "C" AS anon_8, $9::VARCHAR COLLATE "C" AS anon_9, $10::TIMESTAMP WITH TIME ZONE AS anon_10, $11::JSON AS anon_11 
FROM announced;

-- admin
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT coalesce(json_agg(json_build_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping))::text, '[]') AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.id = ANY ($1::TEXT[]);

DELETE FROM orders WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.id = ANY ($2::TEXT[]) AND orders.id || ' ' || CAST(orders.version AS TEXT) = ANY ($3::TEXT[]) RETURNING orders.id;

WITH announced AS 
(SELECT pg_advisory_xact_lock_shared(7311031045082578944 | (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM order_events_seq_seq)))
 INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) SELECT $1::VARCHAR COLLATE "C" AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::INTEGER AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, $6::VARCHAR COLLATE "C" AS anon_6, $7::VARCHAR COLLATE "C" AS anon_7, $8::VARCHAR COLLATE "C" AS anon_8, $9::VARCHAR COLLATE "C" AS anon_9, $10::TIMESTAMP WITH TIME ZONE AS anon_10, $11::JSON AS anon_11 
FROM announced;
