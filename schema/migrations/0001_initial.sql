-- The state, as docs/architecture.md describes it. Times are PostgreSQL's clock. Names are checked by the manifest language; the
-- constraints here are the last line.

-- As clock_rfc3339() writes it.
CREATE FUNCTION rfc3339(t timestamptz) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

CREATE FUNCTION wall_ms(t timestamptz) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT floor(extract(epoch FROM t) * 1000)::bigint $$;

-- What is issued does not change. On the columns that a trigger names.
CREATE FUNCTION immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'rows of % do not change', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;

CREATE TABLE projects (
	id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name                text NOT NULL UNIQUE,
	default_environment text NOT NULL DEFAULT 'dev',
	created_at          timestamptz NOT NULL DEFAULT now()
);

-- Desired state as declared. spec is canonical: all defaults filled.
CREATE TABLE manifests (
	kind                text NOT NULL,          -- singular: function, environment, pin, runtime, project
	project             text NOT NULL,
	name                text NOT NULL,
	uid                 uuid NOT NULL DEFAULT gen_random_uuid(),
	labels              jsonb NOT NULL DEFAULT '{}',
	annotations         jsonb NOT NULL DEFAULT '{}',
	spec                jsonb NOT NULL,
	spec_hash           text NOT NULL,          -- of spec, labels and annotations: equal means unchanged
	generation          bigint NOT NULL DEFAULT 1,
	observed_generation bigint NOT NULL DEFAULT 0,
	owner               text NOT NULL,          -- 'manifest', 'api', 'git:<repository>'; '': nobody
	source              text NOT NULL,          -- file:line, or who sent it
	conditions          jsonb NOT NULL DEFAULT '[]',
	created_at          timestamptz NOT NULL DEFAULT now(),
	updated_at          timestamptz NOT NULL DEFAULT now(),
	deleted_at          timestamptz,            -- set: to be removed by the loop; the row goes when that is done
	PRIMARY KEY (kind, project, name)
);
CREATE INDEX manifests_pins ON manifests (project, (spec->>'function'), (spec->>'environment')) WHERE kind = 'pin';

-- Everybody's project, owned by nobody: the first to apply it owns it.
INSERT INTO projects (name) VALUES ('default');
INSERT INTO manifests (kind, project, name, spec, spec_hash, owner, source)
VALUES ('project', 'default', 'default', '{"defaultEnvironment": "dev", "description": ""}', '', '', 'installation');

CREATE TABLE environments (
	project   text NOT NULL REFERENCES projects(name),
	name      text NOT NULL,
	inherits  text,
	follow    boolean NOT NULL DEFAULT false,
	selector  jsonb NOT NULL DEFAULT '{}',
	PRIMARY KEY (project, name),
	FOREIGN KEY (project, inherits) REFERENCES environments(project, name) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE functions (
	id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	project              text NOT NULL REFERENCES projects(name),
	name                 text NOT NULL,
	runtime              text NOT NULL,
	-- status and active_deployment_id mirror the target in the project's default environment
	status               text NOT NULL DEFAULT 'inactive' CHECK (status IN ('building', 'active', 'inactive', 'failed')),
	active_deployment_id uuid,
	next_version         integer NOT NULL DEFAULT 1, -- never goes back: numbers are not reused
	created_at           timestamptz NOT NULL DEFAULT now(),
	updated_at           timestamptz NOT NULL DEFAULT now(),
	deleted_at           timestamptz
);
CREATE UNIQUE INDEX functions_live_name ON functions (project, name) WHERE deleted_at IS NULL;

CREATE TABLE function_deployments (
	id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	function_id   uuid NOT NULL REFERENCES functions(id),
	version       integer NOT NULL CHECK (version > 0),
	input_hash    text NOT NULL,           -- of everything that goes into the image (function_source_hash)
	source_digest text NOT NULL,
	source_size   bigint NOT NULL DEFAULT 0,
	runtime       text NOT NULL,
	base          text NOT NULL,           -- reference by digest, or 'scratch'
	s3_key        text,                    -- functions/{id}/v{n}/function.tar.gz
	layer_digest  text,
	layer_diff_id text,
	layer_size    bigint,
	image_tag     text,                    -- repository:tag
	image_digest  text,
	is_active     boolean NOT NULL DEFAULT false,
	status        text NOT NULL DEFAULT 'building' CHECK (status IN ('building', 'ready', 'failed', 'archived')),
	reason        text NOT NULL DEFAULT '',
	message       text NOT NULL DEFAULT '',
	spec          jsonb NOT NULL,          -- the function's spec as it was built
	created_by    text NOT NULL,
	source_kind   text NOT NULL DEFAULT 'manifest', -- manifest, api, git
	created_at    timestamptz NOT NULL DEFAULT now(),
	deadline_at   timestamptz,             -- while building
	built_at      timestamptz,
	deployed_at   timestamptz,             -- first served
	UNIQUE (function_id, version)
);
CREATE INDEX function_deployments_digest ON function_deployments (function_id, image_digest);
CREATE TRIGGER function_deployments_immutable BEFORE UPDATE OF id, function_id, version, input_hash, source_digest, runtime, base, spec, created_by, created_at
	ON function_deployments FOR EACH ROW EXECUTE FUNCTION immutable();
ALTER TABLE functions ADD FOREIGN KEY (active_deployment_id) REFERENCES function_deployments(id) ON DELETE RESTRICT;

CREATE TABLE releases (
	id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	function_id   uuid NOT NULL REFERENCES functions(id),
	environment   text NOT NULL,
	n             integer NOT NULL CHECK (n > 0),
	deployment_id uuid NOT NULL REFERENCES function_deployments(id) ON DELETE RESTRICT,
	config_hash   text NOT NULL,           -- of tuple
	tuple         jsonb NOT NULL,          -- image digest, variables, secret versions, settings: all that decides what runs
	created_by    text NOT NULL,
	created_at    timestamptz NOT NULL DEFAULT now(),
	served_at     timestamptz,             -- first acknowledged by the gateway
	UNIQUE (function_id, environment, n),
	UNIQUE (id, function_id, environment)
);
CREATE INDEX releases_deployment ON releases (deployment_id);
CREATE TRIGGER releases_immutable BEFORE UPDATE OF id, function_id, environment, n, deployment_id, config_hash, tuple, created_by, created_at
	ON releases FOR EACH ROW EXECUTE FUNCTION immutable();

CREATE TABLE release_sets (
	id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	created_by text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE targets (
	function_id      uuid NOT NULL REFERENCES functions(id),
	environment      text NOT NULL,
	project          text NOT NULL,
	name             text NOT NULL,         -- the function's, so that a key needs no join
	mode             text NOT NULL CHECK (mode IN ('follow', 'pin', 'explicit')),
	want_version     integer,               -- NULL: none is ready yet
	floor            integer NOT NULL DEFAULT 0,
	held_by          text,                  -- who rolled back; NULL: not held
	active_release   uuid,                  -- intent
	routed_release   uuid,                  -- acknowledged by the gateway
	previous_release uuid,                  -- kept warm
	failed_release   uuid,                  -- did not become healthy; not tried again until something changes
	failed_reason    text NOT NULL DEFAULT '',
	failed_message   text NOT NULL DEFAULT '',
	set_id           uuid REFERENCES release_sets(id),
	routed_at        timestamptz,
	status           text NOT NULL DEFAULT 'Pending', -- a reason token
	message          text NOT NULL DEFAULT '',
	seen_generation  bigint NOT NULL DEFAULT 0, -- of the function's manifest, by the last pass
	seen_environment bigint NOT NULL DEFAULT 0, -- the sum of the generations of the environment and its ancestors
	seen_pin         bigint NOT NULL DEFAULT 0, -- of the pin that binds it
	updated_at       timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (function_id, environment),
	FOREIGN KEY (active_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT,
	FOREIGN KEY (routed_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT,
	FOREIGN KEY (previous_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT,
	FOREIGN KEY (failed_release, function_id, environment) REFERENCES releases(id, function_id, environment) ON DELETE RESTRICT
);
CREATE INDEX targets_by_name ON targets (project, name);

-- What was last seen of each instance, for reads; the node is the truth.
CREATE TABLE instances (
	id          text PRIMARY KEY,          -- the node's name for it
	release_id  uuid NOT NULL REFERENCES releases(id),
	slot        integer NOT NULL,
	incarnation integer NOT NULL DEFAULT 0, -- restarts
	address     text NOT NULL DEFAULT '',
	state       text NOT NULL,
	reason      text NOT NULL DEFAULT '',
	message     text NOT NULL DEFAULT '',
	deadline_at timestamptz,
	updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX instances_release ON instances (release_id);

-- One row per key that ever needed a look. seq <> done_seq: dirty.
CREATE TABLE work (
	key          text PRIMARY KEY,
	seq          bigint NOT NULL DEFAULT 1,
	done_seq     bigint NOT NULL DEFAULT 0,
	due_at       timestamptz NOT NULL DEFAULT clock_timestamp(), -- not before
	lease_owner  text,
	lease_until  timestamptz,
	epoch        bigint NOT NULL DEFAULT 0,          -- raised by every claim
	attempt      integer NOT NULL DEFAULT 0,
	last_reason  text NOT NULL DEFAULT '',
	last_message text NOT NULL DEFAULT ''
);
CREATE INDEX work_due ON work (due_at) WHERE seq <> done_seq;

-- Marks keys dirty, due now and without backoff; in sorted order, so that two of these wait for each other but never deadlock.
CREATE FUNCTION work_mark(keys text[]) RETURNS bigint LANGUAGE sql AS $$
	WITH marked AS (
		INSERT INTO work AS w (key) SELECT DISTINCT k FROM unnest(keys) AS k ORDER BY k
		ON CONFLICT (key) DO UPDATE SET
			seq = w.seq + 1,
			attempt = 0,
			due_at = CASE WHEN w.seq = w.done_seq THEN clock_timestamp() ELSE least(w.due_at, clock_timestamp()) END
		RETURNING 1)
	SELECT count(*) FROM marked
$$;

CREATE TABLE intents (
	step_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key         text NOT NULL,
	epoch       bigint NOT NULL,
	step        text NOT NULL,
	detail      jsonb NOT NULL DEFAULT '{}',
	started_at  timestamptz NOT NULL DEFAULT now(),
	finished_at timestamptz,
	outcome     text                        -- NULL: not known
);
CREATE INDEX intents_open ON intents (key) WHERE outcome IS NULL;

CREATE TABLE function_logs (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at            timestamptz NOT NULL DEFAULT clock_timestamp(),
	function_id   uuid NOT NULL REFERENCES functions(id),
	deployment_id uuid REFERENCES function_deployments(id),
	environment   text,
	actor         text NOT NULL,
	operation     text NOT NULL,            -- deploy, build, activate, route, rollback, delete, …
	message       text NOT NULL DEFAULT '',
	detail        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX function_logs_function ON function_logs (function_id, id DESC);

-- id is given at commit, one transaction after the other, so that whoever reads on from the last id it saw misses nothing: numbers
-- taken at insertion become visible in another order than they were taken.
CREATE TABLE events (
	seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id          bigint UNIQUE,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	type        text NOT NULL CHECK (type IN ('Normal', 'Warning')),
	kind        text NOT NULL,
	project     text NOT NULL,
	name        text NOT NULL,
	environment text,
	reason      text NOT NULL,
	message     text NOT NULL
);
CREATE INDEX events_object ON events (project, kind, name, seq DESC);
CREATE SEQUENCE event_ids;
CREATE FUNCTION event_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(7300, 3);
	UPDATE events SET id = nextval('event_ids') WHERE seq = NEW.seq;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER events_number AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION event_number();

CREATE TABLE audit (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      timestamptz NOT NULL DEFAULT now(),
	actor   text NOT NULL,
	action  text NOT NULL,
	object  text NOT NULL,
	outcome text NOT NULL,
	detail  jsonb NOT NULL DEFAULT '{}'
);

-- Rows as schema/*.c reads them, by position.

CREATE VIEW manifest_rows AS
	SELECT deleted_at IS NOT NULL AS deleting, generation, observed_generation, owner, source, conditions,
		jsonb_build_object('kind', kind, 'project', project, 'name', name, 'labels', labels, 'annotations', annotations, 'spec', spec) AS document,
		kind, project, name, deleted_at
	FROM manifests;

CREATE VIEW deployment_rows AS
	SELECT id, version, input_hash, source_digest, runtime, base, s3_key, layer_digest, layer_diff_id, image_tag, image_digest, status, reason,
		message, created_by, source_size, layer_size, wall_ms(deadline_at) AS deadline_ms, spec, function_id
	FROM function_deployments;

CREATE VIEW release_rows AS
	SELECT r.id, r.n, d.version, r.deployment_id, r.config_hash, d.image_digest, d.image_tag, r.tuple, r.served_at IS NOT NULL AS served,
		r.function_id, r.environment
	FROM releases r JOIN function_deployments d ON d.id = r.deployment_id;

-- What the API shows of a manifest. json, not jsonb: keys keep this order.
CREATE VIEW manifest_documents AS
	SELECT m.kind, m.project, m.name, f.id AS function_id, json_build_object(
		'apiVersion', 'fn/v1',
		'kind', initcap(m.kind),
		'metadata', json_strip_nulls(json_build_object(
			'name', m.name, 'project', m.project, 'labels', m.labels, 'annotations', m.annotations, 'uid', m.uid, 'generation', m.generation,
			'createdAt', rfc3339(m.created_at), 'updatedAt', rfc3339(m.updated_at), 'deletedAt', rfc3339(m.deleted_at),
			'owner', m.owner, 'source', m.source)),
		'spec', m.spec,
		'status', CASE WHEN f.id IS NULL
			THEN json_build_object('conditions', m.conditions, 'observedGeneration', m.observed_generation, 'pending', w.key IS NOT NULL)
			ELSE json_build_object('conditions', m.conditions, 'observedGeneration', m.observed_generation, 'pending', w.key IS NOT NULL,
				'id', f.id, 'status', f.status, 'activeVersion', d.version, 'latestVersion', nullif(f.next_version - 1, 0)) END) AS document
	FROM manifests m
	LEFT JOIN functions f ON m.kind = 'function' AND f.project = m.project AND f.name = m.name AND f.deleted_at IS NULL
	LEFT JOIN function_deployments d ON d.id = f.active_deployment_id
	-- pending: something happened that the conditions do not tell of yet
	LEFT JOIN work w ON w.key = m.kind || '/' || m.project || '/' || m.name AND w.seq <> w.done_seq
		AND (w.due_at <= clock_timestamp() OR w.lease_until > clock_timestamp());
