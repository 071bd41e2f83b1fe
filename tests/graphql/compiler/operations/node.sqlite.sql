-- customer
SELECT json_object('id',orders.id,'number',orders.order_number), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('name',i.name) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)) 
FROM orders 
WHERE orders.id BETWEEN ? AND ? AND orders.user_id = ?;

SELECT json_object('id',p.id,'name',p.name,'price',json_object('amount',printf('%d.%02d',p.price_minor/100,p.price_minor%100))) 
FROM products AS p 
WHERE p.id = ? AND p.deleted_at IS NULL;

-- admin
SELECT json_object('id',orders.id,'number',orders.order_number), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('name',i.name) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)) 
FROM orders 
WHERE orders.id IN (?);

SELECT json_object('id',p.id,'name',p.name,'price',json_object('amount',printf('%d.%02d',p.price_minor/100,p.price_minor%100))) 
FROM products AS p 
WHERE p.id = ? AND p.deleted_at IS NULL;
