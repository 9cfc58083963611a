"""Checks texts that test_grammar drew against the package jsonschema (formats by rfc3339-validator).

TASHIKA_GRAMMAR_RUNS=20 TASHIKA_GRAMMAR_OUT=out.jsonl build/release/tests/test_grammar --gtest_filter='GrammarRandom.*'
python tests/grammar/check_outputs.py tests/data/grammar/schemas.json out.jsonl
"""
import json
import sys

import jsonschema


def once(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    return dict(pairs)


schemas = json.load(open(sys.argv[1]))
bad = total = 0
for line in open(sys.argv[2]):
    row = json.loads(line)
    schema = schemas[row["schema"]]
    total += 1
    try:
        value = json.loads(row["text"], object_pairs_hook=once)
        kind = jsonschema.Draft202012Validator
        if isinstance(schema, dict) and isinstance(schema.get("items"), list):
            kind = jsonschema.Draft7Validator
        kind(schema, format_checker=kind.FORMAT_CHECKER).validate(value)
    except Exception as error:  # every kind of failure counts
        bad += 1
        print(row["schema"], json.dumps(schema)[:200], row["text"][:200], str(error).splitlines()[0], sep="\n  ")
print(f"{total - bad} of {total} valid")
sys.exit(bad > 0)
