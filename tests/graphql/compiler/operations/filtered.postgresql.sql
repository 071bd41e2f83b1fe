-- customer
SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.status IN ($5::VARCHAR COLLATE "C", $6::VARCHAR COLLATE "C") AND (EXISTS (SELECT $2::INTEGER AS anon_1 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id AND order_items.shipping IN ($7::VARCHAR COLLATE "C"))) AND orders.updated_at >= $3::TIMESTAMP WITH TIME ZONE ORDER BY orders.updated_at DESC, orders.id DESC 
 LIMIT $4::INTEGER;

-- admin
SELECT NULL, NULL, '{"id":'||'"'||orders.id||'"'||'}' 
FROM orders 
WHERE orders.status IN ($4::VARCHAR COLLATE "C", $5::VARCHAR COLLATE "C") AND (EXISTS (SELECT $1::INTEGER AS anon_1 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id AND order_items.shipping IN ($6::VARCHAR COLLATE "C"))) AND orders.updated_at >= $2::TIMESTAMP WITH TIME ZONE ORDER BY orders.updated_at DESC, orders.id DESC 
 LIMIT $3::INTEGER;
