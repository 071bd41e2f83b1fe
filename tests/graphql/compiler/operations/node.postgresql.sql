-- customer
SELECT '{"id":'||'"'||orders.id||'"'||',"number":'||orders.order_number||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE orders.id = $1::VARCHAR COLLATE "C" AND orders.user_id = $2::VARCHAR COLLATE "C";

SELECT '{"id":'||'"'||p.id||'"'||',"name":'||coalesce(to_json(p.name)::text,'null')||',"price":'||'{"amount":'||'"'||(p.price_minor/100)||'.'||lpad((p.price_minor%100)::text,2,'0')||'"'||'}'||'}' 
FROM products AS p 
WHERE p.id = $1::VARCHAR COLLATE "C" AND p.deleted_at IS NULL;

SELECT '{"id":'||'"'||orders.id||'"'||',"number":'||orders.order_number||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id), sets.n 
FROM orders, unnest((SELECT $1::VARCHAR[] COLLATE "C" AS anon_1), (SELECT $2::VARCHAR[] COLLATE "C" AS anon_2)) WITH ORDINALITY AS sets(ids_1, "user", n) 
WHERE orders.id = sets.ids_1 AND orders.user_id = sets."user";

SELECT '{"id":'||'"'||p.id||'"'||',"name":'||coalesce(to_json(p.name)::text,'null')||',"price":'||'{"amount":'||'"'||(p.price_minor/100)||'.'||lpad((p.price_minor%100)::text,2,'0')||'"'||'}'||'}', sets.n 
FROM products AS p, unnest((SELECT $1::VARCHAR[] COLLATE "C" AS anon_1)) WITH ORDINALITY AS sets(id, n) 
WHERE p.id = sets.id AND p.deleted_at IS NULL;

-- admin
SELECT '{"id":'||'"'||orders.id||'"'||',"number":'||orders.order_number||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE orders.id IN ($1::VARCHAR COLLATE "C");

SELECT '{"id":'||'"'||p.id||'"'||',"name":'||coalesce(to_json(p.name)::text,'null')||',"price":'||'{"amount":'||'"'||(p.price_minor/100)||'.'||lpad((p.price_minor%100)::text,2,'0')||'"'||'}'||'}' 
FROM products AS p 
WHERE p.id = $1::VARCHAR COLLATE "C" AND p.deleted_at IS NULL;

SELECT '{"id":'||'"'||orders.id||'"'||',"number":'||orders.order_number||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id), sets.n 
FROM orders, unnest((SELECT $1::VARCHAR[] COLLATE "C" AS anon_1)) WITH ORDINALITY AS sets(ids_1, n) 
WHERE orders.id IN (sets.ids_1);

SELECT '{"id":'||'"'||p.id||'"'||',"name":'||coalesce(to_json(p.name)::text,'null')||',"price":'||'{"amount":'||'"'||(p.price_minor/100)||'.'||lpad((p.price_minor%100)::text,2,'0')||'"'||'}'||'}', sets.n 
FROM products AS p, unnest((SELECT $1::VARCHAR[] COLLATE "C" AS anon_1)) WITH ORDINALITY AS sets(id, n) 
WHERE p.id = sets.id AND p.deleted_at IS NULL;
