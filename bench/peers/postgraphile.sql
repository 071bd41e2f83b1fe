-- What places an order where PostGraphile serves the tables: it makes mutations of functions.
CREATE FUNCTION add_order(user_id text, items jsonb, address text) RETURNS orders
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_variable
DECLARE
  at timestamptz := date_trunc('milliseconds', clock_timestamp());
  start text := lpad(to_hex(extract(epoch FROM at)::bigint), 8, '0');
  placed orders;
  bought text;
BEGIN
  placed.user_id := user_id;
  placed.id := start || left(replace(gen_random_uuid()::text, '-', ''), 16);
  INSERT INTO order_counters AS c (user_id, last_order_number) VALUES (user_id, 1)
    ON CONFLICT ON CONSTRAINT pk_order_counters
    DO UPDATE SET last_order_number = c.last_order_number + 1
    RETURNING c.last_order_number INTO placed.order_number;
  SELECT sum(p.price_minor * i.quantity), string_agg(p.name, ' ' ORDER BY i.place)
    INTO placed.total_minor, bought
    FROM ROWS FROM (jsonb_to_recordset(items) AS ("productId" text, quantity int, shipping text))
      WITH ORDINALITY AS i(product_id, quantity, shipping, place)
    JOIN products p ON p.id = i.product_id AND p.deleted_at IS NULL
    HAVING count(*) = jsonb_array_length(items);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'names no product';
  END IF;
  INSERT INTO orders (user_id, id, order_number, status, address, currency, total_minor, version,
      created_at, updated_at)
    VALUES (user_id, placed.id, placed.order_number, 'pending', address, 'USD',
      placed.total_minor, 0, at, at)
    RETURNING * INTO placed;
  INSERT INTO order_items (user_id, order_id, position, id, product_id, name, image,
      unit_price_minor, quantity, shipping)
    SELECT user_id, placed.id, i.place - 1,
      start || left(replace(gen_random_uuid()::text, '-', ''), 16),
      p.id, p.name, p.image, p.price_minor, i.quantity,
      CASE i.shipping WHEN 'NEXT_DAY' THEN 'Next day' ELSE initcap(i.shipping) END
    FROM ROWS FROM (jsonb_to_recordset(items) AS ("productId" text, quantity int, shipping text))
      WITH ORDINALITY AS i(product_id, quantity, shipping, place)
    JOIN products p ON p.id = i.product_id;
  INSERT INTO order_words (user_id, order_id, words)
    SELECT user_id, placed.id, string_agg(word, ' ' ORDER BY place)
    FROM (
      SELECT replace(t.word, 'z', 'zz') AS word, min(t.place) AS place
      FROM users u, regexp_split_to_table(
        lower(concat_ws(' ', u.name, u.email, bought, address)), '[^a-z0-9]+'
      ) WITH ORDINALITY AS t(word, place)
      WHERE u.id = user_id AND t.word <> ''
      GROUP BY t.word
    ) words;
  INSERT INTO order_events (id, user_id, order_id, order_version, type, source, to_status, actor_id,
      occurred_at)
    VALUES (start || left(replace(gen_random_uuid()::text, '-', ''), 16), user_id, placed.id, 0,
      'created', 'graphql', 'pending', user_id, at);
  RETURN placed;
END $$;
