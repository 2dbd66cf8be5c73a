-- Versions that outlive their images, rollbacks and the holds they leave, collections.

-- NULL for what is none: a column compared with it keeps its index.
CREATE FUNCTION as_uuid(t text) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN t ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN t::uuid END $$;

ALTER TABLE function_deployments
	ADD COLUMN note             text NOT NULL DEFAULT '', -- why, in the words of whoever deployed
	ADD COLUMN archived_at      timestamptz,              -- status archived: its image goes from the registry, its archive stays
	ADD COLUMN image_deleted_at timestamptz,              -- NULL while archived or failed: the registry may have the image still
	ADD COLUMN archive_deleted_at timestamptz;            -- NULL while archived without s3_key: the store may have its files still
CREATE INDEX function_deployments_ready ON function_deployments (function_id, version DESC) WHERE status = 'ready';
CREATE INDEX function_deployments_building ON function_deployments (function_id) WHERE status = 'building';
CREATE INDEX function_deployments_deleting ON function_deployments (function_id)
	WHERE status IN ('archived', 'failed') AND image_digest IS NOT NULL AND image_deleted_at IS NULL;
CREATE INDEX function_deployments_dropping ON function_deployments (function_id) WHERE status = 'archived' AND s3_key IS NULL AND archive_deleted_at IS NULL;
CREATE INDEX function_deployments_deleted ON function_deployments (image_deleted_at) WHERE image_deleted_at IS NOT NULL;
CREATE INDEX function_deployments_image ON function_deployments (image_digest) WHERE image_digest IS NOT NULL;
CREATE INDEX function_deployments_layer ON function_deployments (layer_digest) WHERE layer_digest IS NOT NULL;
CREATE INDEX function_deployments_created ON function_deployments (created_at DESC, id DESC);

-- What served when: the order in which a rollback walks back.
ALTER TABLE releases
	ADD COLUMN routed_at   timestamptz, -- last acknowledged by the gateway
	ADD COLUMN unrouted_at timestamptz, -- when another took its place; it is warm for a while from then
	ADD COLUMN rejected_at timestamptz, -- a rollback went back past it
	ADD COLUMN rejected_by uuid;        -- which: one that fails takes it back
UPDATE releases r SET routed_at = coalesce((SELECT t.routed_at FROM targets t WHERE t.routed_release = r.id), r.served_at) WHERE r.served_at IS NOT NULL;
UPDATE releases r SET unrouted_at = t.routed_at FROM targets t WHERE t.previous_release = r.id;
CREATE INDEX releases_routed ON releases (function_id, environment, routed_at DESC) WHERE routed_at IS NOT NULL;
CREATE INDEX releases_unrouted ON releases (function_id, environment, unrouted_at DESC) WHERE unrouted_at IS NOT NULL;

-- Append-only but for how it ended. The one that a target's hold names keeps it at held_release.
CREATE TABLE rollbacks (
	id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	function_id  uuid NOT NULL REFERENCES functions(id),
	environment  text NOT NULL,
	actor        text NOT NULL,
	note         text NOT NULL DEFAULT '',
	from_version integer,          -- what was wanted; NULL: nothing
	from_release uuid,
	to_version   integer NOT NULL,
	to_release   uuid NOT NULL,
	image        text NOT NULL CHECK (image IN ('serving', 'warm', 'kept', 'archived')), -- where it came from
	state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed', 'superseded')),
	reason       text NOT NULL DEFAULT '',
	message      text NOT NULL DEFAULT '',
	floor        integer NOT NULL,  -- the highest number issued by then
	held_release uuid NOT NULL,     -- to_release; after a failure in the middle of a deploy what went on serving
	base         jsonb NOT NULL,    -- the configuration declared by then: later changes are told by it
	pin          text,              -- what a pin said by then
	settled      boolean NOT NULL,  -- what was wanted served: a failure gives back the hold before, if any
	previous     uuid REFERENCES rollbacks(id),
	created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	finished_at  timestamptz,
	lifted_at    timestamptz,
	lifted_by    text,
	FOREIGN KEY (from_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT,
	FOREIGN KEY (to_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT,
	FOREIGN KEY (held_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT
);
CREATE INDEX rollbacks_function ON rollbacks (function_id, created_at DESC, id DESC);
CREATE INDEX rollbacks_previous ON rollbacks (previous) WHERE previous IS NOT NULL;
CREATE TRIGGER rollbacks_immutable BEFORE UPDATE OF id, function_id, environment, actor, note, from_version, from_release, to_version, to_release, image, floor,
	base, pin, settled, previous, created_at ON rollbacks FOR EACH ROW EXECUTE FUNCTION immutable();

-- Which function's: what runs is found without its releases.
ALTER TABLE instances ADD COLUMN function_id uuid REFERENCES functions(id);
UPDATE instances i SET function_id = r.function_id FROM releases r WHERE r.id = i.release_id;
ALTER TABLE instances ALTER COLUMN function_id SET NOT NULL;
CREATE INDEX instances_function ON instances (function_id);

CREATE INDEX functions_name ON functions (project, name, id);

ALTER TABLE targets DROP COLUMN held_by, ADD COLUMN hold uuid REFERENCES rollbacks(id) ON DELETE RESTRICT;

-- One row a collection of what nothing uses any more: asked for, or in the controller's own time. Several that were asked for are one when they begin.
CREATE TABLE collections (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	actor         text NOT NULL,
	asked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	started_at    timestamptz,
	looked_at     timestamptz,            -- when the node was last asked how the registry's collection does
	registry_at   timestamptz,            -- when that was begun: what was deleted before is freed once finished_at is set
	finished_at   timestamptz,
	reason        text NOT NULL DEFAULT '', -- what went wrong, if anything
	message       text NOT NULL DEFAULT '',
	result        jsonb NOT NULL DEFAULT '{}' -- by place: a member is set when that part is done
);
CREATE INDEX collections_open ON collections (id) WHERE finished_at IS NULL;

-- What a function's manifest says about old versions; nothing of a function that is gone is kept but its archives.
CREATE VIEW retention_rules AS
	SELECT f.id AS function_id, f.project, f.name, f.deleted_at IS NOT NULL AS gone,
		CASE WHEN f.deleted_at IS NULL THEN coalesce((m.spec #>> '{retention,versions}')::bigint, 10) ELSE 0 END AS versions,
		coalesce((m.spec #>> '{retention,archives}')::bigint, 0) AS archives,
		coalesce((m.spec #>> '{retention,warm}')::bigint, 0) AS warm,
		coalesce((m.spec #>> '{retention,warmTime}')::interval, '0') AS warm_time
	FROM functions f
	LEFT JOIN manifests m ON m.kind = 'function' AND m.project = f.project AND m.name = f.name AND f.deleted_at IS NULL;

CREATE FUNCTION repository_of(image_tag text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace(image_tag, ':[^:/]*$', '') $$;

-- Of one function: why versions' images must stay, one row a reason. Whoever prunes asks this in the transaction that archives. look_again: no event tells
-- when the reason is gone, so look then. A function and not a view, so that every branch starts from its function, whatever the planner thinks.
CREATE FUNCTION keepers_of(function_id uuid) RETURNS TABLE (deployment_id uuid, why text, look_again timestamptz) LANGUAGE sql STABLE ROWS 5 AS $$
	SELECT r.deployment_id, 'active in ' || t.environment, NULL::timestamptz
		FROM targets t JOIN releases r ON r.id IN (t.active_release, t.routed_release) WHERE t.function_id = $1
	UNION
	SELECT d.id, 'wanted in ' || t.environment, NULL FROM targets t
		JOIN function_deployments d ON d.function_id = t.function_id AND d.version = t.want_version WHERE t.function_id = $1
	UNION
	SELECT r.deployment_id, 'served before in ' || t.environment, NULL FROM targets t JOIN releases r ON r.id = t.previous_release WHERE t.function_id = $1
	UNION
	SELECT r.deployment_id, 'held in ' || t.environment, NULL FROM targets t JOIN rollbacks k ON k.id = t.hold JOIN releases r ON r.id = k.held_release
		WHERE t.function_id = $1
	UNION -- an unfinished rollback may fail: to what was wanted, under the hold there was
	SELECT r.deployment_id, 'to fall back on in ' || t.environment, NULL FROM targets t
		JOIN rollbacks k ON k.id = t.hold AND k.state = 'pending' LEFT JOIN rollbacks b ON b.id = k.previous
		JOIN releases r ON r.id IN (k.from_release, b.held_release) WHERE t.function_id = $1
	UNION
	SELECT r.deployment_id, 'warm in ' || t.environment, r.unrouted_at + q.warm_time
		FROM targets t JOIN retention_rules q ON q.function_id = t.function_id
		CROSS JOIN LATERAL (
			SELECT x.deployment_id, x.unrouted_at FROM releases x
			WHERE x.function_id = t.function_id AND x.environment = t.environment AND x.unrouted_at > clock_timestamp() - q.warm_time
				AND x.id IS DISTINCT FROM t.routed_release
			ORDER BY x.unrouted_at DESC LIMIT q.warm) AS r
		WHERE t.function_id = $1
	UNION
	SELECT r.deployment_id, 'runs in ' || r.environment, date_trunc('second', clock_timestamp()) + interval '30 seconds'
		FROM instances i JOIN releases r ON r.id = i.release_id WHERE i.function_id = $1
	UNION
	SELECT d.id, 'pinned in ' || (p.spec->>'environment'), NULL FROM functions f
		JOIN manifests p ON p.kind = 'pin' AND p.project = f.project AND p.spec->>'function' = f.name AND p.deleted_at IS NULL
		JOIN function_deployments d ON d.function_id = f.id AND d.id IN (
			SELECT n.id FROM function_deployments n WHERE n.function_id = f.id
				AND n.version = CASE WHEN p.spec->>'version' ~ '^[0-9]{1,9}$' THEN (p.spec->>'version')::integer END
			UNION ALL SELECT n.id FROM function_deployments n WHERE n.function_id = f.id AND n.image_digest = p.spec->>'version')
		WHERE f.id = $1 AND f.deleted_at IS NULL
	UNION
	SELECT d.id, 'is being built', NULL FROM function_deployments d WHERE d.function_id = $1 AND d.status = 'building'
$$;

-- Of one function: what is to be done about each version, and why; the one place that says so:
--   archive         its image is of no more use; it becomes restorable only
--   delete-image    its image is still in the registry
--   drop-archive    not even its archive is to be kept
--   delete-archive  which is still in the store
-- A version whose parts cannot all be stored has a reason, and stays; of a function that is gone nobody can go back to one.
CREATE FUNCTION fates_of(function_id uuid) RETURNS TABLE (id uuid, version integer, status text, project text, name text, gone boolean, whys text[],
	look_again timestamptz, shared boolean, due text, rule text, newest text) LANGUAGE sql STABLE ROWS 100 AS $$
	SELECT d.id, d.version, d.status, q.project, q.name, q.gone, k.whys, k.look_again,
		-- deleting a manifest by digest deletes it for every tag of the repository
		EXISTS (SELECT FROM function_deployments o
			WHERE o.image_digest = d.image_digest AND o.id <> d.id AND repository_of(o.image_tag) = repository_of(d.image_tag) AND o.status = 'ready')
		OR EXISTS (
			SELECT FROM (SELECT DISTINCT n.function_id FROM function_deployments n WHERE n.image_digest = d.image_digest AND n.id <> d.id) AS f
			CROSS JOIN LATERAL keepers_of(f.function_id) AS keep JOIN function_deployments o ON o.id = keep.deployment_id
			WHERE o.image_digest = d.image_digest AND o.id <> d.id AND repository_of(o.image_tag) = repository_of(d.image_tag)),
		CASE WHEN d.status = 'ready' AND (d.reason = '' OR q.gone) AND b.beyond AND k.whys IS NULL THEN 'archive'
			WHEN d.status IN ('archived', 'failed') AND d.image_digest IS NOT NULL AND d.image_deleted_at IS NULL THEN 'delete-image'
			WHEN d.status = 'archived' AND d.s3_key IS NULL AND d.archive_deleted_at IS NULL THEN 'delete-archive'
			WHEN d.status = 'archived' AND d.s3_key IS NOT NULL AND b.archive_beyond AND k.whys IS NULL AND NOT EXISTS (
				SELECT FROM function_deployments n WHERE n.function_id = d.function_id AND n.status = 'building' AND n.source_digest = d.source_digest)
				THEN 'drop-archive' END,
		CASE WHEN d.status = 'failed' THEN 'it was not built'
			WHEN q.gone THEN 'the function is gone'
			WHEN b.archive_beyond AND d.status = 'archived' THEN 'archives beyond the newest ' || q.archives
			WHEN b.beyond THEN 'beyond the newest ' || q.versions || ' that were built' END,
		CASE WHEN d.status = 'ready' AND NOT b.beyond THEN 'one of the newest ' || q.versions || ' that were built' END
	FROM retention_rules q
	CROSS JOIN LATERAL ( -- of the newest that are kept, the oldest
		SELECT (SELECT n.version FROM function_deployments n WHERE n.function_id = q.function_id AND n.status IN ('ready', 'archived')
				ORDER BY n.version DESC OFFSET greatest(q.versions - 1, 0) LIMIT 1) AS oldest,
			(SELECT n.version FROM function_deployments n WHERE n.function_id = q.function_id AND n.status IN ('ready', 'archived')
				ORDER BY n.version DESC OFFSET greatest(q.archives - 1, 0) LIMIT 1) AS oldest_archive OFFSET 0) AS w
	JOIN function_deployments d ON d.function_id = q.function_id
	CROSS JOIN LATERAL (
		SELECT q.versions = 0 OR coalesce(d.version < w.oldest, false) AS beyond,
			q.archives > 0 AND coalesce(d.version < w.oldest_archive, false) AS archive_beyond) AS b
	LEFT JOIN (
		SELECT keep.deployment_id, array_agg(keep.why ORDER BY keep.why) AS whys,
			CASE WHEN bool_and(keep.look_again IS NOT NULL) THEN max(keep.look_again) END AS look_again
		FROM keepers_of($1) AS keep GROUP BY keep.deployment_id) AS k ON k.deployment_id = d.id
	WHERE q.function_id = $1
$$;

-- Functions that may have something due, by index: the others need no look.
CREATE VIEW retention_candidates AS
	SELECT n.function_id FROM (SELECT function_id, count(*) AS n FROM function_deployments WHERE status = 'ready' GROUP BY function_id) AS n
		JOIN retention_rules q ON q.function_id = n.function_id WHERE n.n > q.versions
	UNION SELECT function_id FROM function_deployments WHERE status IN ('archived', 'failed') AND image_digest IS NOT NULL AND image_deleted_at IS NULL
	UNION SELECT function_id FROM function_deployments WHERE status = 'archived' AND s3_key IS NULL AND archive_deleted_at IS NULL
	UNION SELECT q.function_id FROM retention_rules q WHERE q.archives > 0 AND EXISTS (
		SELECT FROM function_deployments d WHERE d.function_id = q.function_id AND d.status = 'archived' AND d.s3_key IS NOT NULL);

-- From when on what was deleted from the registry has not been collected there.
CREATE FUNCTION registry_collected() RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT coalesce(max(registry_at), '-infinity') FROM collections WHERE finished_at IS NOT NULL AND result->'registry'->>'state' = 'done'
$$;

CREATE VIEW collection_documents AS
	SELECT id, json_build_object('id', id, 'actor', actor, 'askedAt', rfc3339(asked_at), 'startedAt', rfc3339(started_at), 'finishedAt', rfc3339(finished_at),
		'state', CASE WHEN finished_at IS NULL THEN CASE WHEN started_at IS NULL THEN 'waiting' ELSE 'running' END WHEN reason = '' THEN 'done' ELSE 'incomplete' END,
		'reason', reason, 'message', message, 'result', result) AS document
	FROM collections;

-- As the API shows them: the columns are the members of the JSON, in this order; row_to_json() makes it. Joined by id to the page that an index gave.
CREATE VIEW deployment_documents AS
	SELECT f.name AS "function", f.project, d.id, d.version, d.status, d.reason, d.message, d.is_active AS active, d.image_digest AS digest, d.image_tag AS image,
		d.layer_size AS size, d.source_digest AS "sourceDigest", d.source_size AS "sourceSize", d.runtime, d.base, d.s3_key AS archive,
		d.source_kind AS source, d.note, d.created_by AS "createdBy", rfc3339(d.created_at) AS "createdAt", rfc3339(d.built_at) AS "builtAt",
		rfc3339(d.deployed_at) AS "deployedAt", rfc3339(d.archived_at) AS "archivedAt", (
			SELECT coalesce(json_agg(t.environment ORDER BY t.environment), '[]') FROM targets t
			JOIN releases r ON r.id = t.routed_release WHERE t.function_id = d.function_id AND r.deployment_id = d.id) AS "activeIn"
	FROM function_deployments d JOIN functions f ON f.id = d.function_id;
CREATE VIEW rollback_documents AS
	SELECT k.id, k.environment, k.actor, k.note, k.from_version AS "fromVersion", (SELECT n FROM releases r WHERE r.id = k.from_release) AS "fromRelease",
		k.to_version AS "toVersion", (SELECT n FROM releases r WHERE r.id = k.to_release) AS "toRelease", k.image, k.state, k.reason, k.message, k.floor,
		rfc3339(k.created_at) AS "createdAt", rfc3339(k.finished_at) AS "finishedAt",
		round(extract(epoch FROM k.finished_at - k.created_at) * 1000, 2) AS milliseconds, EXISTS (
			SELECT FROM targets t WHERE t.function_id = k.function_id AND t.environment = k.environment AND t.hold = k.id) AS holds,
		rfc3339(k.lifted_at) AS "liftedAt", k.lifted_by AS "liftedBy"
	FROM rollbacks k;

-- Who declared it last, or deletes it: versions are theirs.
ALTER TABLE manifests ADD COLUMN actor text NOT NULL DEFAULT '';

-- Dropped and made again: rows are read by position.
DROP VIEW manifest_rows;
CREATE VIEW manifest_rows AS
	SELECT deleted_at IS NOT NULL AS deleting, generation, observed_generation, owner, source, conditions,
		jsonb_build_object('kind', kind, 'project', project, 'name', name, 'labels', labels, 'annotations', annotations, 'spec', spec) AS document,
		kind, project, name, deleted_at, coalesce(nullif(actor, ''), owner) AS actor
	FROM manifests;
DROP VIEW deployment_rows;
CREATE VIEW deployment_rows AS
	SELECT id, version, input_hash, source_digest, runtime, base, s3_key, layer_digest, layer_diff_id, image_tag, image_digest, status, reason,
		message, created_by, source_size, layer_size, wall_ms(deadline_at) AS deadline_ms, spec, function_id,
		image_deleted_at IS NOT NULL AS image_deleted
	FROM function_deployments;
DROP VIEW release_rows;
CREATE VIEW release_rows AS
	SELECT r.id, r.n, d.version, r.deployment_id, r.config_hash, d.image_digest, d.image_tag, r.tuple, r.served_at IS NOT NULL AS served,
		r.function_id, r.environment, d.status AS deployment_status, wall_ms(r.unrouted_at) AS unrouted_ms, r.rejected_at IS NOT NULL AS rejected,
		r.routed_at, r.unrouted_at
	FROM releases r JOIN function_deployments d ON d.id = r.deployment_id;
