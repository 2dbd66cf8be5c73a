#!/usr/bin/python3
"""validate_schemas.py ROOT: TAP. Holds tests/support/manifests against schema/kinds with a public validator; the decoder is
held against the same files by tests/unit/test_manifest_corpus.c."""
import json
import pathlib
import re
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(sys.argv[1])
CORPUS = ROOT / "tests/support/manifests"


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors read it: dates, "yes" and merge keys are plain texts; a key stands once."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", node.start_mark)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node):
        pass

    def construct_core_int(self, node):
        text = node.value
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


for tag, pattern, first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
]:
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)
Core.add_constructor("tag:yaml.org,2002:int", Core.construct_core_int)

count = failed = 0


def report(ok, name, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {name}")
    if not ok:
        print("# " + str(why).replace("\n", "\n# "))


def compiled():
    validators = {}
    for name in ["project", "runtime", "environment", "function", "pin", "manifest"]:
        title = f"schema/kinds/{name}.json is a draft 2020-12 schema"
        try:
            schema = json.loads((ROOT / f"schema/kinds/{name}.json").read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            validators[name] = jsonschema.Draft202012Validator(schema)
            report(schema.get("$schema") == "https://json-schema.org/draft/2020-12/schema", title, schema.get("$schema"))
        except (OSError, ValueError, jsonschema.SchemaError) as error:
            report(False, title, error)
    return validators


def refusal(validators, text):
    """Why the documents are refused, or "". manifest.json and the kind's own schema must agree."""
    try:
        documents = [d for d in yaml.load_all(text, Loader=Core) if d is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return f"YAML: {error}"
    for document in documents:
        try:
            whole = validators["manifest"].is_valid(document)
            kind = str(document.get("kind")).lower() if isinstance(document, dict) else ""
            own = validators.get(kind)
            if own and own.is_valid(document) != whole:
                return f"DISAGREEMENT between manifest.json and {kind}"
            if not whole:
                return "; ".join(e.message for e in (own or validators["manifest"]).iter_errors(document))
        except RecursionError:
            return "YAML: a document that holds itself"
    return ""


def main():
    validators = compiled()
    for kind in ["valid", "invalid"]:
        for path in sorted((CORPUS / kind).iterdir()):
            # Bytes that are no text are refused like any other mistake.
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            why = refusal(validators, text)
            beyond = re.search(r"^# schema: accepts$", text, re.M)  # what a schema cannot say
            accepted = kind == "valid" or bool(beyond)
            ok = why == "" if accepted else why != "" and not why.startswith("DISAGREEMENT")
            report(ok, f"{kind}/{path.name} is {'accepted' if accepted else 'refused'}", why)
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
