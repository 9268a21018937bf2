-- The table the shop trades with, and its first thirty rows: exact prices, microsecond timestamps.
CREATE TABLE products (
  product_id        text PRIMARY KEY,
  name              text NOT NULL,
  category          text NOT NULL,
  price             numeric(10, 2) NOT NULL,
  updated_timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX products_updated ON products (updated_timestamp, product_id);

INSERT INTO products VALUES
  ('S0001', 'Darjeeling First Flush, 100 g', 'Tea', 18.40, '2026-03-02 08:15:30.000001+00'),
  ('S0002', 'Assam "Breakfast" Blend', 'Tea', 9.95, '2026-03-02 08:15:30.000002+00'),
  ('S0003', 'Genmaicha 玄米茶', 'Tea', 12.30, '2026-03-02 08:15:30.999999+00'),
  ('S0004', 'Rooibos, loose', 'Tea', 7.05, '2026-03-03 00:00:00+00'),
  ('S0005', 'Tea strainer', 'Accessories', 0.01, '2026-03-03 23:59:59.999999+00'),
  ('S0006', 'Samovar, silver-plated', 'Accessories', 99999999.99, '2026-03-04 11:11:11.111111+00'),
  ('S0007', 'Gift wrapping', 'Service', 0.00, '2026-03-04 12:00:00.1+00'),
  ('S0008', 'Returned deposit', 'Service', -3.50, '2026-03-04 12:00:00.01+00'),
  ('S0009', 'Porcelain cup, Ø 8 cm', 'Porcelain', 14.90, '2026-03-05 07:30:00.001+00'),
  ('S0010', 'Saucer', 'Porcelain', 6.10, '2026-03-05 07:30:00.0001+00'),
  ('S0011', 'Teapot ''Oma''', 'Porcelain', 54.00, '2026-03-05 07:30:00.00001+00'),
  ('S0012', 'Sugar bowl', 'Porcelain', 21.25, '2026-03-06 16:45:12.345678+00'),
  ('S0013', 'Milk jug', 'Porcelain', 19.99, '2026-03-06 16:45:12.345679+00'),
  ('S0014', 'Cake stand, three tiers', 'Porcelain', 68.75, '2026-03-07 09:09:09.090909+00'),
  ('S0015', 'Linen napkins (6)', 'Textiles', 32.60, '2026-03-07 10:10:10.101010+00'),
  ('S0016', 'Tea towel', 'Textiles', 8.20, '2026-03-08 18:00:00.500000+00'),
  ('S0017', 'Tablecloth 140 × 240', 'Textiles', 79.80, '2026-03-08 18:00:00.500001+00'),
  ('S0018', 'Pot warmer', 'Textiles', 24.45, '2026-03-09 06:21:48.640001+00'),
  ('S0019', 'Shortbread', 'Biscuits', 5.55, '2026-03-10 13:37:00.133700+00'),
  ('S0020', 'Amaretti; soft', 'Biscuits', 6.66, '2026-03-10 13:37:00.133701+00'),
  ('S0021', 'Speculaas' || chr(10) || '(tin)', 'Biscuits', 11.11, '2026-03-11 21:02:03.040506+00'),
  ('S0022', 'Ginger snaps \ dark', 'Biscuits', 4.44, '2026-03-12 05:06:07.080910+00'),
  ('S0023', 'Palmiers', 'Biscuits', 3.33, '2026-03-13 14:15:16.171819+00'),
  ('S0024', 'Quince jam', 'Preserves', 7.77, '2026-03-14 15:09:26.535897+00'),
  ('S0025', 'Lemon curd 🍋', 'Preserves', 8.88, '2026-03-15 02:07:18.281828+00'),
  ('S0026', 'Heather honey', 'Preserves', 16.16, '2026-03-16 16:18:03.398874+00'),
  ('S0027', 'Rose petal jelly', 'Preserves', 13.13, '2026-03-17 01:41:42.135623+00'),
  ('S0028', 'Candied violets', 'Sweets', 22.22, '2026-03-18 05:57:12.156649+00'),
  ('S0029', 'Turkish delight', 'Sweets', 10.10, '2026-03-19 23:58:59.000999+00'),
  ('S0030', 'Chocolate thins', 'Sweets', 1234567.89, '2026-03-20 09:46:00.000100+00');
