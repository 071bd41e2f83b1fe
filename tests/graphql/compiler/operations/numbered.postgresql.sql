-- anybody
SELECT '{"id":'||'"'||u.id||'"'||'}' 
FROM users AS u 
WHERE u.id = $1::VARCHAR COLLATE "C";

SELECT '{"id":'||'"'||orders.id||'"'||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.order_number = $2::INTEGER;

SELECT '{"id":'||'"'||u.id||'"'||'}', sets.n 
FROM users AS u, unnest((SELECT $1::VARCHAR[] COLLATE "C" AS anon_1)) WITH ORDINALITY AS sets("user", n) 
WHERE u.id = sets."user";
