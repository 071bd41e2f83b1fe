-- anybody
SELECT json_object('name',u.name), json_object('email',u.email) 
FROM users AS u 
WHERE u.id = ?;

SELECT NULL, NULL, json_object('number',orders.order_number) 
FROM orders 
WHERE orders.user_id = ? ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT NULL, NULL 
FROM orders 
WHERE orders.user_id = ? AND +orders.status = ? ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT count(*) AS count_1 
FROM orders 
WHERE orders.user_id = ? AND +orders.status = ?;
