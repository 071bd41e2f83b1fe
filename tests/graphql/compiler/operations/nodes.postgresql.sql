-- customer
SELECT orders.id, '{"__typename":'||'"Order"'||',"id":'||'"'||orders.id||'"'||',"number":'||orders.order_number||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND orders.id = ANY ($2::TEXT[]);

SELECT p.id, '{"__typename":'||'"Product"'||',"id":'||'"'||p.id||'"'||',"name":'||coalesce(to_json(p.name)::text,'null')||'}' 
FROM products AS p 
WHERE p.deleted_at IS NULL AND p.id = ANY ($1::TEXT[]);

-- admin
SELECT orders.id, '{"__typename":'||'"Order"'||',"id":'||'"'||orders.id||'"'||',"number":'||orders.order_number||'}', (SELECT '['||coalesce(string_agg('{"name":'||coalesce(to_json(i.name)::text,'null')||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE true AND orders.id = ANY ($1::TEXT[]);

SELECT p.id, '{"__typename":'||'"Product"'||',"id":'||'"'||p.id||'"'||',"name":'||coalesce(to_json(p.name)::text,'null')||'}' 
FROM products AS p 
WHERE p.deleted_at IS NULL AND p.id = ANY ($1::TEXT[]);
