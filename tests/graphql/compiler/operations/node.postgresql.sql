-- customer
SELECT (json_build_object('id',orders.id,'number',orders.order_number))::text, (SELECT coalesce(json_agg(json_build_object('name',i.name) ORDER BY i.position),'[]')::text FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE orders.id IN ($2::VARCHAR COLLATE "C") AND orders.user_id = $1::VARCHAR COLLATE "C";

SELECT (json_build_object('id',p.id,'name',p.name,'price',json_build_object('amount',(p.price_minor/100)::text||'.'||lpad((p.price_minor%100)::text,2,'0'))))::text 
FROM products AS p 
WHERE p.id = $1::VARCHAR COLLATE "C" AND p.deleted_at IS NULL;

-- admin
SELECT (json_build_object('id',orders.id,'number',orders.order_number))::text, (SELECT coalesce(json_agg(json_build_object('name',i.name) ORDER BY i.position),'[]')::text FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id) 
FROM orders 
WHERE orders.id IN ($1::VARCHAR COLLATE "C");

SELECT (json_build_object('id',p.id,'name',p.name,'price',json_build_object('amount',(p.price_minor/100)::text||'.'||lpad((p.price_minor%100)::text,2,'0'))))::text 
FROM products AS p 
WHERE p.id = $1::VARCHAR COLLATE "C" AND p.deleted_at IS NULL;
