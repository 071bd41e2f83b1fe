-- customer
SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE orders.id IN (?, ?) AND orders.user_id = ? ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE orders.external_id IN (?, ?) AND orders.user_id = ? ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT count(*) AS count_1 
FROM orders 
WHERE orders.external_id IN (?, ?) AND orders.user_id = ?;

SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE (orders.user_id, orders.id) IN (SELECT order_items.user_id, order_items.order_id 
FROM order_items 
WHERE order_items.product_id IN (?) AND order_items.user_id = ?) AND orders.user_id = ? ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

-- admin
SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE orders.id IN (?, ?) ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE orders.external_id IN (?, ?) ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT count(*) AS count_1 
FROM orders 
WHERE orders.external_id IN (?, ?);

SELECT NULL, NULL, json_object('id',orders.id) 
FROM orders 
WHERE (orders.user_id, orders.id) IN (SELECT order_items.user_id, order_items.order_id 
FROM order_items 
WHERE order_items.product_id IN (?)) ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;
