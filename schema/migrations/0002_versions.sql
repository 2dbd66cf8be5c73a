-- Versions that outlive their images, rollbacks and the holds they leave, collections.

ALTER TABLE function_deployments
	ADD COLUMN note             text NOT NULL DEFAULT '', -- why, in the words of whoever deployed
	ADD COLUMN archived_at      timestamptz,              -- status archived: its image goes from the registry, its archive stays
	ADD COLUMN image_deleted_at timestamptz;              -- NULL while archived: the registry may have the image still
CREATE INDEX function_deployments_ready ON function_deployments (function_id, version DESC) WHERE status = 'ready';
CREATE INDEX function_deployments_building ON function_deployments (function_id) WHERE status = 'building';
CREATE INDEX function_deployments_deleting ON function_deployments (function_id) WHERE status = 'archived' AND image_deleted_at IS NULL;
CREATE INDEX function_deployments_image ON function_deployments (image_digest) WHERE image_digest IS NOT NULL;
CREATE INDEX function_deployments_created ON function_deployments (created_at DESC, id DESC);

-- What served when: the order in which a rollback walks back.
ALTER TABLE releases
	ADD COLUMN routed_at   timestamptz, -- last acknowledged by the gateway
	ADD COLUMN unrouted_at timestamptz, -- when another took its place; it is warm for a while from then
	ADD COLUMN rejected_at timestamptz; -- a rollback went back past it
UPDATE releases r SET routed_at = coalesce((SELECT t.routed_at FROM targets t WHERE t.routed_release = r.id), r.served_at) WHERE r.served_at IS NOT NULL;
UPDATE releases r SET unrouted_at = t.routed_at FROM targets t WHERE t.previous_release = r.id;
CREATE INDEX releases_routed ON releases (function_id, environment, routed_at DESC) WHERE routed_at IS NOT NULL;

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
CREATE TRIGGER rollbacks_immutable BEFORE UPDATE OF id, function_id, environment, actor, note, from_version, from_release, to_version, to_release, image, floor,
	base, pin, settled, previous, created_at ON rollbacks FOR EACH ROW EXECUTE FUNCTION immutable();

ALTER TABLE targets DROP COLUMN held_by, ADD COLUMN hold uuid REFERENCES rollbacks(id) ON DELETE RESTRICT;

-- One row a collection of what nothing uses any more: asked for, or in the controller's own time.
CREATE TABLE collections (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	actor       text NOT NULL,
	asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	started_at  timestamptz,
	finished_at timestamptz,
	reason      text NOT NULL DEFAULT '', -- why it failed
	message     text NOT NULL DEFAULT '',
	result      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX collections_open ON collections (id) WHERE finished_at IS NULL;

-- Why a version's image must stay: one row a reason. Whoever prunes asks this in the transaction that archives.
CREATE VIEW deployment_keepers AS
	SELECT r.deployment_id, 'active in ' || t.environment AS why FROM targets t JOIN releases r ON r.id IN (t.active_release, t.routed_release)
	UNION
	SELECT d.id, 'wanted in ' || t.environment FROM targets t JOIN function_deployments d ON d.function_id = t.function_id AND d.version = t.want_version
	UNION
	SELECT r.deployment_id, 'held in ' || t.environment FROM targets t JOIN rollbacks k ON k.id = t.hold JOIN releases r ON r.id = k.held_release
	UNION
	SELECT r.deployment_id, 'to fall back on in ' || t.environment FROM targets t JOIN rollbacks k ON k.id = t.hold AND k.state = 'pending'
		JOIN releases r ON r.id = k.from_release
	UNION
	SELECT r.deployment_id, 'runs in ' || r.environment FROM instances i JOIN releases r ON r.id = i.release_id
	UNION
	SELECT d.id, 'pinned in ' || (p.spec->>'environment') FROM manifests p
		JOIN functions f ON f.project = p.project AND f.name = p.spec->>'function' AND f.deleted_at IS NULL
		JOIN function_deployments d ON d.function_id = f.id AND (d.version::text = p.spec->>'version' OR d.image_digest = p.spec->>'version')
		WHERE p.kind = 'pin' AND p.deleted_at IS NULL
	UNION
	SELECT id, 'is being built' FROM function_deployments WHERE status = 'building';

-- Dropped and made again: rows are read by position.
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
