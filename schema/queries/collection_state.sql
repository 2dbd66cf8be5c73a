-- The one under way (of several, the newest), whether one is asked for, and when the last one began.
SELECT c.id, wall_ms(c.started_at), wall_ms(c.looked_at), coalesce(c.result, '{}'),
	EXISTS (SELECT FROM collections WHERE finished_at IS NULL AND started_at IS NULL), (SELECT wall_ms(max(started_at)) FROM collections)
FROM (SELECT) AS one
LEFT JOIN (SELECT * FROM collections WHERE finished_at IS NULL AND started_at IS NOT NULL ORDER BY id DESC LIMIT 1) AS c ON true
