-- The generation of the snapshot that brought a publish to edges. Publishes of before say none.
ALTER TABLE publishes ADD COLUMN generation BIGINT;
