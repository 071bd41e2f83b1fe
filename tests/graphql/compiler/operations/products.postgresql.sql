-- anybody
SELECT '{"name":'||coalesce(to_json(p.name)::text,'null')||',"price":'||'{"amount":'||'"'||(p.price_minor/100)||'.'||lpad((p.price_minor%100)::text,2,'0')||'"'||'}'||'}' 
FROM products AS p 
WHERE p.deleted_at IS NULL ORDER BY p.name, p.id 
 LIMIT $1::INTEGER;

SELECT '{"id":'||'"'||p.id||'"'||'}' 
FROM products AS p 
WHERE p.deleted_at IS NULL AND p.id = ANY ($1::TEXT[]) ORDER BY p.name || $2::VARCHAR COLLATE "C", p.id;
