// node validate.js ROOT: TAP. Holds tests/support/manifests against schema/kinds with a public validator; the decoder is
// held against the same files by tests/unit/test_manifest_corpus.c.
"use strict";
const fs = require("fs"), path = require("path");
const Ajv = require("ajv/dist/2020"), yaml = require("js-yaml");

const root = process.argv[2], corpus = path.join(root, "tests/support/manifests");
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true, strictTypes: false, strictTuples: false });
const load = (name) => JSON.parse(fs.readFileSync(path.join(root, "schema/kinds", name + ".json"), "utf8"));
let n = 0, failed = 0;

function report(ok, name, why) {
	console.log(`${ok ? "ok" : "not ok"} ${++n} - ${name}`);
	if (!ok) {
		failed++;
		console.log("# " + String(why).replace(/\n/g, "\n# "));
	}
}

const compiled = {};
for (const name of ["project", "runtime", "environment", "function", "pin", "manifest"]) {
	try {
		compiled[name] = ajv.compile(load(name));
		report(true, `schema/kinds/${name}.json is a draft 2020-12 schema`);
	} catch (e) {
		report(false, `schema/kinds/${name}.json is a draft 2020-12 schema`, e.message);
	}
}

// YAML 1.2's core schema, as editors read it: dates and merge keys are plain texts.
function documents(text) {
	return yaml.loadAll(text, null, { schema: yaml.CORE_SCHEMA }).filter((d) => d !== null && d !== undefined);
}

// Why the documents are refused, or "". manifest.json and the kind's own schema must agree.
function refusal(text) {
	let docs;
	try {
		docs = documents(text);
	} catch (e) {
		return "YAML: " + e.reason;
	}
	for (const d of docs) {
		const whole = compiled.manifest(d), one = d && compiled[String(d.kind).toLowerCase()];
		if (one && one(d) !== whole) return "DISAGREEMENT between manifest.json and " + d.kind;
		if (!whole) return ajv.errorsText((one || compiled.manifest).errors);
	}
	return "";
}

for (const kind of ["valid", "invalid"])
	for (const file of fs.readdirSync(path.join(corpus, kind)).sort()) {
		const text = fs.readFileSync(path.join(corpus, kind, file), "utf8"), why = refusal(text);
		const beyond = /^# schema: accepts$/m.test(text); // what a schema cannot say
		const want = kind === "valid" || beyond;
		report(want ? why === "" : why !== "" && !why.startsWith("DISAGREEMENT"),
		       `${kind}/${file} is ${want ? "accepted" : "refused"}`, why);
	}
console.log(`1..${n}`);
process.exit(failed ? 1 : 0);
