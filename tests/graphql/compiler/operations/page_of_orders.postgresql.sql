-- customer
SELECT orders.created_at, orders.id, '{"id":'||'"'||orders.id||'"'||',"address":'||coalesce(to_json(orders.address)::text,'null')||'}', (SELECT '['||coalesce(string_agg('{"id":'||'"'||i.id||'"'||',"total":'||'{"currencyCode":'||coalesce(to_json(orders.currency)::text,'null')||'}'||',"shipping":'||CASE i.shipping WHEN 'Next day' THEN '"NEXT_DAY"' WHEN 'Regular' THEN '"REGULAR"' WHEN 'Budget' THEN '"BUDGET"' END||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id), '{"externalId":'||coalesce(to_json(orders.external_id)::text,'null')||'}', (SELECT count(*) AS count_1 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C") AS anon_1, (SELECT EXISTS (SELECT $2::INTEGER AS anon_4 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND (orders.created_at, orders.id) >= ($3::TIMESTAMP WITH TIME ZONE, $4::VARCHAR COLLATE "C")) AS anon_3) AS anon_2 
FROM orders 
WHERE orders.user_id = $1::VARCHAR COLLATE "C" AND (orders.created_at, orders.id) < ($5::TIMESTAMP WITH TIME ZONE, $6::VARCHAR COLLATE "C") ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $7::INTEGER;

-- admin
SELECT orders.created_at, orders.id, '{"id":'||'"'||orders.id||'"'||',"address":'||coalesce(to_json(orders.address)::text,'null')||'}', (SELECT '['||coalesce(string_agg('{"id":'||'"'||i.id||'"'||',"total":'||'{"currencyCode":'||coalesce(to_json(orders.currency)::text,'null')||'}'||',"shipping":'||CASE i.shipping WHEN 'Next day' THEN '"NEXT_DAY"' WHEN 'Regular' THEN '"REGULAR"' WHEN 'Budget' THEN '"BUDGET"' END||'}',',' ORDER BY i.position),'')||']' FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id), '{"externalId":'||coalesce(to_json(orders.external_id)::text,'null')||'}' 
FROM orders 
WHERE true AND (orders.created_at, orders.id) < ($1::TIMESTAMP WITH TIME ZONE, $2::VARCHAR COLLATE "C") ORDER BY orders.created_at DESC, orders.id DESC 
 LIMIT $3::INTEGER;

SELECT count(*) AS count_1 
FROM orders 
WHERE true;

SELECT EXISTS (SELECT $1::INTEGER AS anon_2 
FROM orders 
WHERE true AND (orders.created_at, orders.id) >= ($2::TIMESTAMP WITH TIME ZONE, $3::VARCHAR COLLATE "C")) AS anon_1;
