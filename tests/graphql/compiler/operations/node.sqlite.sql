-- customer
SELECT json_object('id',orders.id,'number',orders.order_number), (SELECT json_group_array(json_object('name',i.name)) FROM (SELECT *,orders.currency AS currency FROM order_items WHERE user_id=orders.user_id AND order_id=orders.id ORDER BY position) AS i) 
FROM orders 
WHERE orders.id IN (?) AND orders.user_id = ?;

SELECT json_object('id',p.id,'name',p.name,'price',json_object('amount',printf('%d.%02d',p.price_minor/100,p.price_minor%100))) 
FROM products AS p 
WHERE p.id = ? AND p.deleted_at IS NULL;

-- admin
SELECT json_object('id',orders.id,'number',orders.order_number), (SELECT json_group_array(json_object('name',i.name)) FROM (SELECT *,orders.currency AS currency FROM order_items WHERE user_id=orders.user_id AND order_id=orders.id ORDER BY position) AS i) 
FROM orders 
WHERE orders.id IN (?);

SELECT json_object('id',p.id,'name',p.name,'price',json_object('amount',printf('%d.%02d',p.price_minor/100,p.price_minor%100))) 
FROM products AS p 
WHERE p.id = ? AND p.deleted_at IS NULL;
