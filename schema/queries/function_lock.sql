-- In a statement of its own: the next one sees every target that was made before the lock was had.
SELECT 1 FROM functions WHERE id = $1::uuid FOR UPDATE
