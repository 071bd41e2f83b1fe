-- customer
SELECT orders.total_minor, orders.id, json_object('number',orders.order_number,'updatedAt',substr(orders.updated_at,1,23)||'Z','version',orders.version) 
FROM orders 
WHERE orders.user_id = ? AND (orders.total_minor, orders.id) < (?, ?) ORDER BY orders.total_minor DESC, orders.id DESC
 LIMIT ? + 0;

SELECT EXISTS (SELECT ? AS anon_2 
FROM orders 
WHERE orders.user_id = ? AND (orders.total_minor, orders.id) >= (?, ?)) AS anon_1;

-- admin
SELECT orders.total_minor, orders.id, json_object('number',orders.order_number,'updatedAt',substr(orders.updated_at,1,23)||'Z','version',orders.version) 
FROM orders 
WHERE 1 = 1 AND (orders.total_minor, orders.id) < (?, ?) ORDER BY orders.total_minor DESC, orders.id DESC
 LIMIT ? + 0;

SELECT EXISTS (SELECT ? AS anon_2 
FROM orders 
WHERE 1 = 1 AND (orders.total_minor, orders.id) >= (?, ?)) AS anon_1;
