#!/usr/bin/env python3
"""Wrong programs, one at a time: each must be caught by the tests that its record names.

    tools/mutants.py [NAME ...] [--check] [--list] [--jobs N]

A record (tests/mutants/*.toml) is an exact text of one source file, what replaces it, and the tests that must fail:
a test program and a GoogleTest filter. Sources are copied to build/mutants/source, so the working tree is never
touched; only what a mutant changes is built again. --check verifies, without building, that every text still occurs
exactly once. Exit status 1 when a mutant survives or the unchanged program fails its tests.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / "build" / "mutants"
SOURCE = SCRATCH / "source"
BUILD = SOURCE / "build" / "release"  # laid out as the tree itself, so that a compiler cache finds what it knows
FAILED = re.compile(r"^\[  FAILED  \] ([^\s,]+)", re.M)


def read_mutants():
    found = []
    for path in sorted((ROOT / "tests" / "mutants").glob("*.toml")):
        for name, record in tomllib.loads(path.read_text()).items():
            tests = [tuple(t.split(" ", 1)) if " " in t else (t, "*") for t in record["tests"]]
            found.append({"name": name, "area": path.stem, "tests": tests} | {k: record[k] for k in ("file", "find", "replace")})
    names = [m["name"] for m in found]
    doubled = {n for n in names if names.count(n) > 1}
    if doubled:
        sys.exit(f"mutants named twice: {sorted(doubled)}")
    return found


def check(mutants):
    bad = []
    for m in mutants:
        path = ROOT / m["file"]
        count = path.read_text().count(m["find"]) if path.exists() else -1
        if count != 1 or m["find"] == m["replace"]:
            bad.append(f"{m['area']}: {m['name']}: its text occurs {count} times in {m['file']}" if count >= 0
                       else f"{m['area']}: {m['name']}: no file {m['file']}")
    return bad


def mirror():
    """The working tree's sources in the scratch folder; unchanged files keep their times, so little is built again."""
    SOURCE.mkdir(parents=True, exist_ok=True)
    wanted = set()
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    for name in sorted(set(listed.split("\0")) - {""}):
        path = ROOT / name
        if path.exists() or path.is_symlink():
            target = SOURCE / path.relative_to(ROOT)
            wanted.add(target)
            if path.is_symlink():
                if not target.is_symlink() or os.readlink(target) != os.readlink(path):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.unlink(missing_ok=True)
                    target.symlink_to(os.readlink(path))
            elif not target.exists() or target.read_bytes() != path.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    for path in sorted(SOURCE.rglob("*"), reverse=True):
        if BUILD.parent in path.parents:
            continue
        if (path.is_file() or path.is_symlink()) and path not in wanted:
            path.unlink()


def build(programs, jobs):
    command = ["cmake", "--build", str(BUILD), f"-j{jobs}", "--target", *programs]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0, done.stdout[-3000:]


def run(program, pattern):
    """(whether it failed, names of failed tests, how many ran)"""
    path = BUILD / "tests" / program
    try:
        done = subprocess.run([str(path), f"--gtest_filter={pattern}", "--gtest_color=no"], capture_output=True, text=True,
                              errors="replace", timeout=600)
    except subprocess.TimeoutExpired:
        return True, ["(ran too long)"], 1
    ran = re.search(r"(\d+) tests? from \d+ test suites? ran", done.stdout)
    names = list(dict.fromkeys(FAILED.findall(done.stdout)))
    names = [n for n in names if not n.isdigit()]
    if done.returncode and not names:
        names = [f"(exit {done.returncode})"]
    return done.returncode != 0, names, int(ran.group(1)) if ran else (1 if done.returncode else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these mutants, or all of an area")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    mutants = read_mutants()
    if args.names:
        known = {m["name"] for m in mutants} | {m["area"] for m in mutants}
        if unknown := [n for n in args.names if n not in known]:
            sys.exit(f"no such mutant: {', '.join(unknown)}")
        mutants = [m for m in mutants if m["name"] in args.names or m["area"] in args.names]
    if args.list:
        for m in mutants:
            print(f"{m['area']:10} {m['name']:36} {m['file']}")
        return
    if bad := check(mutants):
        sys.exit("\n".join(bad))
    if not args.names and len(mutants) < 30:
        sys.exit(f"only {len(mutants)} mutants: the list has been lost")
    if args.check:
        print(f"{len(mutants)} mutants apply")
        return

    programs = sorted({p for m in mutants for p, _ in m["tests"]})
    mirror()
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "-S", str(SOURCE), "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"],
                       check=True, stdout=subprocess.DEVNULL)
    built, output = build(programs, args.jobs)
    if not built:
        sys.exit(f"the unchanged program does not build:\n{output}")
    for program, pattern in sorted({t for m in mutants for t in m["tests"]}):
        failed, names, ran = run(program, pattern)
        if failed or ran == 0:
            sys.exit(f"unchanged: {program} {pattern}: {'fails: ' + ', '.join(names) if failed else 'no test matches'}")
    print(f"the unchanged program passes; {len(mutants)} mutants follow", flush=True)

    survived = []
    for m in mutants:
        start, path = time.time(), SOURCE / m["file"]
        text = path.read_text()
        killers, note = [], ""
        try:
            path.write_text(text.replace(m["find"], m["replace"]))
            built, output = build(sorted({p for p, _ in m["tests"]}), args.jobs)
            if not built:
                note = "does not build: the record must be mended\n" + output
            else:
                for program, pattern in m["tests"]:
                    failed, names, _ = run(program, pattern)
                    if failed:
                        killers.append(f"{program}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""))
        finally:
            path.write_text(text)
        verdict = "killed" if killers and not note else "SURVIVED"
        if verdict != "killed":
            survived.append(m["name"])
        print(f"{verdict:8} {m['name']:36} {time.time() - start:5.0f} s  {'; '.join(killers) or note}", flush=True)
    print(f"{len(mutants) - len(survived)} of {len(mutants)} killed" + (f"; survived: {', '.join(survived)}" if survived else ""))
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
