-- anybody
SELECT json_object('id',u.id) 
FROM users AS u 
WHERE u.id = ?;

SELECT json_object('id',orders.id), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('name',i.name) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)) 
FROM orders 
WHERE orders.user_id = ? AND orders.order_number = ?;
