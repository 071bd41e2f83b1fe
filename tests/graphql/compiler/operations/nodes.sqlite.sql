-- customer
SELECT orders.id, json_object('__typename','Order','id',orders.id,'number',orders.order_number), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('name',i.name) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)) 
FROM orders 
WHERE orders.user_id = ? AND orders.id IN (SELECT value FROM json_each(?));

SELECT p.id, json_object('__typename','Product','id',p.id,'name',p.name) 
FROM products AS p 
WHERE p.deleted_at IS NULL AND p.id IN (SELECT value FROM json_each(?));

-- admin
SELECT orders.id, json_object('__typename','Order','id',orders.id,'number',orders.order_number), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('name',i.name) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)) 
FROM orders 
WHERE 1 = 1 AND orders.id IN (SELECT value FROM json_each(?));

SELECT p.id, json_object('__typename','Product','id',p.id,'name',p.name) 
FROM products AS p 
WHERE p.deleted_at IS NULL AND p.id IN (SELECT value FROM json_each(?));
