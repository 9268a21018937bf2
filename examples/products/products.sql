-- BuyOnline's products: the table that Rowferry was first asked to carry.
CREATE TABLE products (
  product_id        text PRIMARY KEY,
  name              text NOT NULL,
  category          text NOT NULL,
  price             numeric(10, 2) NOT NULL,
  updated_timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX products_updated ON products (updated_timestamp, product_id);

INSERT INTO products VALUES
  ('P0001', 'Trail Running Shoes', 'Footwear', 89.95, '2026-10-01 19:18:51.565267+00'),
  ('P0002', 'Espresso Machine', 'Kitchen', 349.00, '2026-10-09 06:52:41.652084+00'),
  ('P0003', 'Noise-Cancelling Headphones', 'Audio', 279.99, '2026-10-05 20:24:25.050830+00'),
  ('P0004', 'Wool Hiking Socks', 'Footwear', 17.50, '2026-10-08 16:00:29.085267+00'),
  ('P0005', 'Cast-Iron Skillet', 'Kitchen', 44.90, '2026-10-17 19:10:04.027106+00'),
  ('P0006', 'Mechanical Keyboard', 'Computing', 129.00, '2026-10-12 20:53:25.962029+00'),
  ('P0007', '4K Monitor, 27"', 'Computing', 389.49, '2026-10-01 12:04:56.561202+00'),
  ('P0008', 'Standing Desk', 'Furniture', 599.00, '2026-10-09 21:36:51.260694+00'),
  ('P0009', 'Desk Lamp', 'Furniture', 39.95, '2026-10-22 03:36:27.800075+00'),
  ('P0010', 'Bluetooth Speaker', 'Audio', 59.99, '2026-10-20 03:35:40.291954+00'),
  ('P0011', 'Yoga Mat', 'Sports', 29.90, '2026-10-27 04:19:59.518468+00'),
  ('P0012', 'Adjustable Dumbbells', 'Sports', 219.00, '2026-10-17 08:19:56.323614+00'),
  ('P0013', 'Road Bike Helmet', 'Sports', 74.95, '2026-10-11 22:15:08.084245+00'),
  ('P0014', 'Stainless Water Bottle', 'Outdoor', 24.95, '2026-10-24 13:01:49.124281+00'),
  ('P0015', 'Two-Person Tent', 'Outdoor', 189.00, '2026-10-21 16:11:19.530352+00'),
  ('P0016', 'Down Sleeping Bag', 'Outdoor', 239.50, '2026-10-17 10:41:30.195421+00'),
  ('P0017', 'Café Crème Mug', 'Kitchen', 12.80, '2026-10-17 10:42:55.473185+00'),
  ('P0018', 'Chef''s Knife, 20 cm', 'Kitchen', 98.00, '2026-10-04 20:01:04.354054+00'),
  ('P0019', 'USB-C Hub', 'Computing', 49.99, '2026-10-16 08:31:56.497291+00'),
  ('P0020', 'Wireless Mouse', 'Computing', 34.99, '2026-10-22 22:16:37.265990+00'),
  ('P0021', 'Office Chair', 'Furniture', 429.00, '2026-10-17 05:11:43.178239+00'),
  ('P0022', 'Bookshelf', 'Furniture', 149.00, '2026-10-07 07:42:26.298658+00'),
  ('P0023', 'Acoustic Guitar', 'Music', 319.00, '2026-10-24 13:59:23.500111+00'),
  ('P0024', 'Ukulele', 'Music', 79.00, '2026-10-13 16:19:39.854461+00'),
  ('P0025', 'Metronome', 'Music', 21.99, '2026-10-10 12:58:40.693601+00'),
  ('P0026', 'Puzzle, 1000 pieces', 'Games', 18.99, '2026-10-16 22:41:51.836034+00'),
  ('P0027', 'Chess Set', 'Games', 0.01, '2026-10-24 04:33:19.391351+00'),
  ('P0028', 'Board Game "Ferry"', 'Games', 99999999.99, '2026-10-01 10:33:18.166362+00'),
  ('P0029', 'Rain Jacket', 'Clothing', 134.95, '2026-10-18 10:07:12.722758+00'),
  ('P0030', 'Merino T-Shirt', 'Clothing', 69.00, '2026-10-28 08:35:37.034288+00');
