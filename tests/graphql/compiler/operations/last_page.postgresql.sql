-- customer
SELECT orders.total_minor, orders.id, '{"number":'||orders.order_number||',"updatedAt":'||'"'||to_char(least(greatest(orders.updated_at,'0001-01-01 00:00:00+00'::timestamptz),'9999-12-31 23:59:59.999999+00'::timestamptz) AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')||'"'||',"version":'||orders.version||'}', (SELECT EXISTS (SELECT $1::INTEGER AS anon_3 
FROM orders 
WHERE orders.user_id = $2::VARCHAR COLLATE "C" AND (orders.total_minor, orders.id) >= ($3::BIGINT, $4::VARCHAR COLLATE "C")) AS anon_2) AS anon_1 
FROM orders 
WHERE orders.user_id = $2::VARCHAR COLLATE "C" AND (orders.total_minor, orders.id) < ($5::BIGINT, $6::VARCHAR COLLATE "C") ORDER BY orders.total_minor DESC, orders.id DESC 
 LIMIT $7::INTEGER;

-- admin
SELECT orders.total_minor, orders.id, '{"number":'||orders.order_number||',"updatedAt":'||'"'||to_char(least(greatest(orders.updated_at,'0001-01-01 00:00:00+00'::timestamptz),'9999-12-31 23:59:59.999999+00'::timestamptz) AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')||'"'||',"version":'||orders.version||'}' 
FROM orders 
WHERE true AND (orders.total_minor, orders.id) < ($1::BIGINT, $2::VARCHAR COLLATE "C") ORDER BY orders.total_minor DESC, orders.id DESC 
 LIMIT $3::INTEGER;

SELECT EXISTS (SELECT $1::INTEGER AS anon_2 
FROM orders 
WHERE true AND (orders.total_minor, orders.id) >= ($2::BIGINT, $3::VARCHAR COLLATE "C")) AS anon_1;
