-- Waits until nobody is just deleting the image of this version from the registry on behalf of another version that had the same. Whoever begins to
-- afterwards sees that this one is building, or referred to.
SELECT 1 FROM function_deployments o JOIN function_deployments d ON d.id = $1::uuid
WHERE o.image_digest = d.image_digest AND o.id <> d.id AND repository_of(o.image_tag) = repository_of(d.image_tag)
	AND o.status IN ('archived', 'failed') AND o.image_deleted_at IS NULL
FOR SHARE OF o
