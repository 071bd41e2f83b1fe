-- customer
SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE orders.user_id = ? AND +orders.status IN (?, ?) AND (EXISTS (SELECT ? AS anon_1 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id AND order_items.shipping IN (?))) AND orders.updated_at >= ? ORDER BY orders.updated_at DESC, orders.id DESC
 LIMIT ? + 0;

-- admin
SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE +orders.status IN (?, ?) AND (EXISTS (SELECT ? AS anon_1 
FROM order_items 
WHERE order_items.user_id = orders.user_id AND order_items.order_id = orders.id AND order_items.shipping IN (?))) AND orders.updated_at >= ? ORDER BY orders.updated_at DESC, orders.id DESC
 LIMIT ? + 0;
