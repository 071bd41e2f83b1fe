-- customer
SELECT orders.created_at, orders.id, json_object('id',orders.id,'address',orders.address), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('id',i.id,'total',json_object('currencyCode',orders.currency),'shipping',CASE i.shipping WHEN 'Next day' THEN 'NEXT_DAY' WHEN 'Regular' THEN 'REGULAR' WHEN 'Budget' THEN 'BUDGET' END) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)), json_object('externalId',orders.external_id) 
FROM orders 
WHERE orders.user_id = ? AND (orders.created_at, orders.id) < (?, ?) ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT count(*) AS count_1 
FROM orders 
WHERE orders.user_id = ?;

SELECT EXISTS (SELECT ? AS anon_2 
FROM orders 
WHERE orders.user_id = ? AND (orders.created_at, orders.id) >= (?, ?)) AS anon_1;

-- admin
SELECT orders.created_at, orders.id, json_object('id',orders.id,'address',orders.address), (SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT json_object('id',i.id,'total',json_object('currencyCode',orders.currency),'shipping',CASE i.shipping WHEN 'Next day' THEN 'NEXT_DAY' WHEN 'Regular' THEN 'REGULAR' WHEN 'Budget' THEN 'BUDGET' END) AS item FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position)), json_object('externalId',orders.external_id) 
FROM orders 
WHERE 1 = 1 AND (orders.created_at, orders.id) < (?, ?) ORDER BY orders.created_at DESC, orders.id DESC
 LIMIT ? + 0;

SELECT count(*) AS count_1 
FROM orders 
WHERE 1 = 1;

SELECT EXISTS (SELECT ? AS anon_2 
FROM orders 
WHERE 1 = 1 AND (orders.created_at, orders.id) >= (?, ?)) AS anon_1;
