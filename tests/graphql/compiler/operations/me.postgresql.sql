-- anybody
SELECT '{"name":'||coalesce(to_json(u.name)::text,'null')||'}', '{"email":'||coalesce(to_json(u.email)::text,'null')||'}' 
FROM users AS u 
WHERE u.id = $1::VARCHAR COLLATE "C";

SELECT NULL, NULL, '{"number":'||orders.order_number||'}' 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $2::INTEGER;

SELECT NULL, NULL, (SELECT count(*) AS count_1 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.status = $2::VARCHAR COLLATE "C") AS anon_1 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.status = $2::VARCHAR COLLATE "C" ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $3::INTEGER;

SELECT '{"name":'||coalesce(to_json(u.name)::text,'null')||'}', '{"email":'||coalesce(to_json(u.email)::text,'null')||'}', sets.n 
FROM users AS u, unnest((SELECT $1::VARCHAR[] COLLATE "C" AS anon_1)) WITH ORDINALITY AS sets("user", n) 
WHERE u.id = sets."user";
