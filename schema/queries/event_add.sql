-- Not again what the object's newest event said within the last ten seconds.
INSERT INTO events (type, kind, project, name, environment, reason, message)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE NOT EXISTS (
	SELECT 1 FROM (
		SELECT * FROM events WHERE project = $3 AND kind = $2 AND name = $4 AND environment IS NOT DISTINCT FROM $5
		ORDER BY seq DESC LIMIT 1) AS newest
	WHERE newest.type = $1 AND newest.reason = $6 AND newest.message = $7 AND newest.at > clock_timestamp() - interval '10 seconds')
