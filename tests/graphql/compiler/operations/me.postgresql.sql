-- anybody
SELECT (json_build_object('name',u.name))::text, (json_build_object('email',u.email))::text 
FROM users AS u 
WHERE u.id = $1::VARCHAR COLLATE "C";

SELECT NULL, NULL, (json_build_object('number',orders.order_number))::text 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $2::INTEGER;

SELECT NULL, NULL 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.status = $2::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $3::INTEGER;

SELECT count(*) AS count_1 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.status = $2::VARCHAR COLLATE "C";
