-- customer
SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE orders.id IN ($3::VARCHAR COLLATE "C", $4::VARCHAR COLLATE "C") AND orders.user_id = $1::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $2::INTEGER;

SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}', (SELECT count(*) AS count_1 
FROM orders 
WHERE orders.external_id IN ($3::VARCHAR COLLATE "C", $4::VARCHAR COLLATE "C") AND orders.user_id = $1::VARCHAR COLLATE "C") AS anon_1 
FROM orders 
WHERE orders.external_id IN ($3::VARCHAR COLLATE "C", $4::VARCHAR COLLATE "C") AND orders.user_id = $1::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $2::INTEGER;

SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE (orders.user_id, orders.id) IN (SELECT order_items.user_id, order_items.order_id 
FROM order_items 
WHERE order_items.product_id IN ($3::VARCHAR COLLATE "C") AND order_items.user_id = $1::VARCHAR COLLATE "C") AND orders.user_id = $1::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $2::INTEGER;

-- admin
SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE orders.id IN ($2::VARCHAR COLLATE "C", $3::VARCHAR COLLATE "C") ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $1::INTEGER;

SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE orders.external_id IN ($2::VARCHAR COLLATE "C", $3::VARCHAR COLLATE "C") ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $1::INTEGER;

SELECT count(*) AS count_1 
FROM orders 
WHERE orders.external_id IN ($1::VARCHAR COLLATE "C", $2::VARCHAR COLLATE "C");

SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE (orders.user_id, orders.id) IN (SELECT order_items.user_id, order_items.order_id 
FROM order_items 
WHERE order_items.product_id IN ($2::VARCHAR COLLATE "C")) ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $1::INTEGER;
