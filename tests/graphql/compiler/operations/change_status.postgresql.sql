-- admin
SELECT orders.id, orders.user_id, orders.order_number, orders.status, orders.address, orders.currency, orders.total_minor, orders.version, orders.created_at, orders.updated_at, orders.external_id, (SELECT coalesce(json_agg(json_build_array(order_items.position, order_items.id, order_items.product_id, order_items.name, order_items.image, order_items.unit_price_minor, order_items.quantity, order_items.shipping))::text, '[]') AS anon_2 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id) AS anon_1 
FROM orders 
WHERE orders.id = ANY ($1::TEXT[]);

SELECT orders.id 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.id = ANY ($2::TEXT[]) ORDER BY orders.id FOR NO KEY UPDATE;

UPDATE orders SET status=$1::VARCHAR COLLATE "C", version=(orders.version + 1), updated_at=$2::TIMESTAMP WITH TIME ZONE WHERE orders.user_id = $3::VARCHAR COLLATE "C" AND orders.id = ANY ($4::TEXT[]) AND orders.id || ' ' || CAST(orders.version AS TEXT) = ANY ($5::TEXT[]) RETURNING orders.id;

SELECT pg_advisory_xact_lock_shared(7311031045082578944 | (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM order_events_seq_seq));

INSERT INTO order_events (id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id, occurred_at, data) VALUES ($1::VARCHAR COLLATE "C", $2::VARCHAR COLLATE "C", $3::VARCHAR COLLATE "C", $4::INTEGER, $5::VARCHAR COLLATE "C", $6::VARCHAR COLLATE "C", $7::VARCHAR COLLATE "C", $8::VARCHAR COLLATE "C", $9::VARCHAR COLLATE "C", $10::TIMESTAMP WITH TIME ZONE, $11::JSON) RETURNING order_events.seq;

SELECT orders.id, orders.version, '{"id":'||'"'||orders.id||'"'||',"status":'||CASE orders.status WHEN 'pending' THEN '"PENDING"' WHEN 'delivery' THEN '"DELIVERY"' WHEN 'completed' THEN '"COMPLETED"' END||',"customer":'||coalesce((SELECT '{"name":'||coalesce(to_json(u.name)::text,'null')||'}' FROM users AS u WHERE u.id=orders.user_id),'null')||'}' 
FROM orders 
WHERE orders.id = ANY ($1::TEXT[]) AND orders.user_id = $2::VARCHAR COLLATE "C";
