-- anybody
SELECT json_object('name',p.name,'price',json_object('amount',printf('%d.%02d',p.price_minor/100,p.price_minor%100))) 
FROM products AS p 
WHERE p.deleted_at IS NULL ORDER BY p.name, p.id
 LIMIT ? + 0;

SELECT json_object('id',p.id) 
FROM products AS p 
WHERE p.deleted_at IS NULL AND p.id IN (SELECT value FROM json_each(?)) ORDER BY p.name || ?, p.id;
