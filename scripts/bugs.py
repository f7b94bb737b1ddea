#!/usr/bin/env python3
"""Planted bugs: how soon the simulator alone finds each one-line bug of sim/bugs. See bugs.sh for the command line.

A patch begins with a few lines of words and `family: NAME`. Each is applied to a copy of the tree, built, hunted in
campaigns over disjoint ranges of seeds, and taken back. `control-*.patch` change no behaviour: they must not be flagged.
Patches of the bodies of functions are built together (planted.py) and hunted one by one; each other one is built by itself,
while another is hunted. Exit code 1 if a bug is missed, a control flagged or a build fails.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

import planted

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUGS = ROOT / "sim" / "bugs"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SCRATCH = TARGET / "bugs"
TREE = SCRATCH / "tree"
PLAIN = {
    **os.environ,
    # The copy lies in an ignored folder of a repository; git must take it for what it is, a folder.
    "GIT_CEILING_DIRECTORIES": str(SCRATCH),
    "CARGO_TARGET_DIR": str(SCRATCH / "target"),
    # Small units: a patch has a tenth of the code built again.
    "CARGO_PROFILE_QUICK_CODEGEN_UNITS": "256",
    "CARGO_PROFILE_QUICK_DEBUG": "0",
}
COPIED = ["Cargo.toml", "Cargo.lock", "clippy.toml", "src", "sim", "benches", "README.md", "ARCHITECTURE.md"]


class Patch:
    def __init__(self, path):
        self.path = path
        self.name = path.name.removesuffix(".patch")
        self.control = self.name.startswith("control-")
        text = path.read_text()
        self.files = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)
        family = re.search(r"^family: (\S+)$", text, re.M)
        if not self.files or not family:
            sys.exit(f"error: {path.name} has no family or no diff")
        self.family = family[1]

    def apply(self, folder, *flags):
        command = ["git", "apply", "-C1", *flags, str(self.path)]
        return subprocess.run(command, cwd=folder, env=PLAIN, capture_output=True, text=True)


def patches(names):
    found = [Patch(path) for path in sorted(BUGS.glob("*.patch"))]
    unknown = set(names) - {patch.name for patch in found}
    if unknown:
        sys.exit(f"error: no patch called {', '.join(sorted(unknown))}")
    by_name = {patch.name: patch for patch in found}
    return [by_name[name] for name in names] if names else found


def check(chosen):
    broken = [(patch, done) for patch in chosen if (done := patch.apply(ROOT, "--check")).returncode]
    for patch, done in broken:
        print(f"{patch.name} does not apply:\n{done.stderr.rstrip()}")
    controls = sum(patch.control for patch in chosen)
    print(f"{len(chosen) - controls} bugs and {controls} controls, {len(broken)} of them do not apply")
    return not broken


def copy_tree():
    """Brings the scratch copy up to the tree; what has not changed keeps its time, so that little is built again."""
    wanted = set()
    for top in COPIED:
        base = ROOT / top
        for path in [base] if base.is_file() else base.rglob("*"):
            if path.is_file():
                wanted.add(path.relative_to(ROOT))
    for path in wanted:
        to, content = TREE / path, (ROOT / path).read_bytes()
        if not to.is_file() or to.read_bytes() != content:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(content)
    for path in list(TREE.rglob("*")):
        if path.is_file() and path.relative_to(TREE) not in wanted:
            path.unlink()


def effect(group):
    """What the patches of `group` do to the copy, which stays as it is: the files before and after, name to text."""
    names = sorted({name for patch in group for name in patch.files})
    before = {name: (TREE / name).read_text() for name in names}
    try:
        for patch in group:
            done = patch.apply(TREE)
            if done.returncode:
                sys.exit(f"error: {patch.name} does not apply: {done.stderr.strip()}")
        return before, {name: (TREE / name).read_text() for name in names}
    finally:
        write(before)


def write(files):
    for name, text in files.items():
        (TREE / name).write_text(text)


def cargo(before, after, *words):
    """Runs cargo on the copy with the files `after`; why that does not compile, or none."""
    try:
        write(after)
        done = subprocess.run(["cargo", *words, "--quiet"], cwd=TREE, env=PLAIN, capture_output=True, text=True)
        if not done.returncode:
            return None
        errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
        return f"does not compile: {(errors or done.stderr.splitlines() or ['?'])[0]}"
    finally:
        write(before)


def build(before, after, name):
    """Builds the copy with the files `after`; the binary, or why there is none."""
    if error := cargo(before, after, "build", "--profile", "quick", "--package", "engram-sim"):
        return None, error
    binary = SCRATCH / f"engram-sim-{name}"
    shutil.copy2(SCRATCH / "target" / "quick" / "engram-sim", binary)
    return binary, None


def as_bodies(effects):
    """The copy with all these patches of bodies in it: the files before and after."""
    before = {planted.ROOT_FILE: (TREE / planted.ROOT_FILE).read_text()}
    for _, old, _ in effects:
        before.update(old)
    return before, planted.all_in_one(before, {number: new for number, (_, _, new) in enumerate(effects, 1)})


def as_files(effects):
    """The same for patches of which no two change a file."""
    before, after = {}, {}
    for _, old, new in effects:
        before.update(old)
        after.update(new)
    return before, after


def wrong(effects, merge):
    """Those of these patches that do not compile, each with the compiler's first word."""
    error = cargo(*merge(effects), "check", "--package", "engram") if effects else None
    if not error:
        return []
    if len(effects) == 1:
        return [(effects[0][0], error)]
    half = len(effects) // 2
    found = wrong(effects[:half], merge) + wrong(effects[half:], merge)
    return found or [(effects[0][0], f"or another {error} where all are together")]


def compile_all(chosen):
    """Sees whether every patch compiles: those of bodies all at once, the others by groups in which no two change a file."""
    copy_tree()
    bodies, groups = [], []
    for patch in chosen:
        one = (patch, *effect([patch]))
        if planted.only_bodies(*one[1:]):
            bodies.append(one)
            continue
        for group in groups:
            if all(one[1].keys().isdisjoint(other[1]) for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    broken = wrong(bodies, as_bodies) + [one for group in groups for one in wrong(group, as_files)]
    for patch, error in broken:
        print(f"{patch.name} {error}")
    print(f"{len(chosen)} patches, {len(broken)} of them do not compile")
    return not broken


def build_together(bugs):
    """Builds all patches that can share a binary: the binary, and the number of each in it. Number 0 is the clean engine."""
    effects = [(patch, *effect([patch])) for patch in bugs]
    shared = [one for one in effects if planted.only_bodies(*one[1:])]
    binary, error = build(*as_bodies(shared), "together")
    if error:
        sys.exit(f"error: the tree with all patches {error}")
    return binary, {patch.name: number for number, (patch, _, _) in enumerate(shared, 1)}


def hunter(engine, words, seconds):
    """Runs `engram-sim hunt` on an engine, which is a binary and the number of a patch in it."""
    binary, number = engine
    env = {**os.environ, planted.VARIABLE: str(number)}
    return subprocess.run([binary, "hunt", *map(str, words)], env=env, capture_output=True, text=True, timeout=seconds)


def hunt_from(engine, start, seeds, jobs):
    """The smallest seed of the range with a violation and what it was, or none."""
    try:
        done = hunter(engine, ["--from", start, "--seeds", seeds, "--jobs", jobs], 300 + seeds)
        out, how = done.stdout, f"ABORT, exit status {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        out, how = (expired.stdout or b"").decode(), "TIMEOUT"
    if found := re.search(r"^campaign=1 seeds=\d+ seed=(\d+): (.*)$", out, re.M):
        return int(found[1]), found[2]
    if hung := re.search(r"^campaign=1 seed=(\d+) hangs$", out, re.M):
        return int(hung[1]), "HANG of the host process"
    if re.search(r"^campaign=1 seeds=\d+: nothing$", out, re.M):
        return None
    # Which seed it was cannot be told.
    return start + seeds - 1, how


def hunt(engine, clean, options, alarms):
    """The campaigns: for each the seeds to the first violation (none where there was none) and what it was. A seed that
    fails on the clean engine, too, is a false alarm, and the campaign goes on behind it."""
    campaigns = []
    for run in range(options.campaigns):
        first = start = options.first + run * options.seeds
        end = first + options.seeds
        while start < end and (found := hunt_from(engine, start, end - start, options.jobs)):
            seed, what = found
            known = clean and (seed in alarms or hunt_from(clean, seed, 1, 1))
            if not known:
                campaigns.append((seed - first + 1, what))
                break
            alarms.add(seed)
            start = seed + 1
        else:
            campaigns.append((None, ""))
    return campaigns


def shrink(engine, seed, options, name):
    """What is left of the plan of a failing seed: operations, faults, switches, and the seconds it took; or none."""
    words = ["--from", seed, "--seeds", 1, "--jobs", 1, "--shrink", options.shrink]
    if options.keep:
        words += ["--keep", pathlib.Path(options.keep) / f"{name}.plan"]
    try:
        out = hunter(engine, words, 300).stdout
    except subprocess.TimeoutExpired:
        return None
    sizes = re.search(r"^shrunk ops=\d+->(\d+) faults=\d+->(\d+) switches=\d+->(\d+) .* seconds=([\d.]+)$", out, re.M)
    return sizes and (int(sizes[1]), int(sizes[2]), int(sizes[3]), float(sizes[4]))


def told(small):
    """The sizes and seconds of shrunk plans: medians and worst."""
    for place, what in enumerate(["operations", "faults", "switches", "seconds"]):
        each = [sizes[place] for sizes in small]
        print(f"shrunk, {what}: median {statistics.median(each):g}, worst {max(each):g}, of {len(each)} plans")


def row(name, family, campaigns, seconds, small=None):
    found = [seeds for seeds, _ in campaigns if seeds is not None]
    what = next((what for seeds, what in campaigns if seeds is not None), "")
    what = re.sub(r"^life \S+: ", "", what.split(" | ")[0])
    middle = f"{statistics.median_low(found):6} {max(found):6}" if found else "     -      -"
    left = f" [{small[0]} ops, {small[1]} faults, {small[2]} switches, {small[3]:g} s]" if small else ""
    line = f"{name:44} {family:13} {len(found)}/{len(campaigns)} {middle} {seconds:7.1f}  {what[:110]}{left}"
    print(line.rstrip(), flush=True)
    return found


def engines(bugs, controls, builder, together, numbers):
    """All that is to be hunted, as (patches, a future of the engine or of why there is none); what is built by itself last."""
    def alone(group):
        binary, error = build(*effect(group), "-".join(patch.name for patch in group[:1]))
        return (binary, 0), error

    shared = [patch for patch in bugs if patch.name in numbers]
    groups = [[patch] for patch in bugs if patch.name not in numbers] + ([controls] if controls else [])
    for group in groups:
        yield group, builder.submit(alone, group)
    for patch in shared:
        ready = concurrent.futures.Future()
        ready.set_result(((together, numbers[patch.name]), None))
        yield [patch], ready


def measure(chosen, options):
    bugs = [patch for patch in chosen if not patch.control]
    controls = [patch for patch in chosen if patch.control]
    started = time.monotonic()
    copy_tree()
    together, numbers = build_together(bugs)
    clean = (together, 0)
    print(f"{'bug':44} {'family':13} found median  worst seconds  first violation", flush=True)
    medians, worsts, missed, broken, flagged, alarms, small = [], [], [], [], [], set(), []
    with concurrent.futures.ThreadPoolExecutor(1) as builder:
        waiting = list(engines(bugs, controls, builder, together, numbers))
        while waiting:
            # What is ready goes first.
            waiting.sort(key=lambda one: not one[1].done())
            group, building = waiting.pop(0)
            engine, error = building.result()
            control = group[0].control
            name = group[0].name if len(group) == 1 else f"{len(group)} controls together"
            if error:
                print(f"{name:44} {error}", flush=True)
                broken.append(name)
                continue
            began = time.monotonic()
            campaigns = hunt(engine, None if control else clean, options, alarms)
            seconds = time.monotonic() - began
            first = next((start for start, (seeds, _) in enumerate(campaigns) if seeds is not None), None)
            left = None
            if options.shrink and first is not None and not control:
                seed = options.first + first * options.seeds + campaigns[first][0] - 1
                left = shrink(engine, seed, options, name)
                small.extend([left] if left else [])
            if engine[0] != together:
                engine[0].unlink()
            found = row(name, group[0].family, campaigns, seconds, left)
            if control and found and len(group) > 1:
                waiting += [one for patch in group for one in engines([], [patch], builder, together, {})]
            elif control and found:
                flagged.append(name)
            elif not control:
                if len(found) < len(campaigns):
                    missed.append(f"{name} ({len(found)}/{len(campaigns)})")
                if found:
                    medians.append(statistics.median_low(found))
                    worsts.append(max(found))
    together.unlink()
    print(f"\nbugs found: {len(medians)} of {len(bugs)}; in every campaign: {len(bugs) - len(missed) - sum(1 for name in broken)}")
    if medians:
        print(f"median over bugs of the median: {statistics.median_low(medians)} seeds; worst: {max(worsts)}")
    print(f"controls flagged: {len(flagged)} of {len(controls)}; seconds: {time.monotonic() - started:.0f}")
    if small:
        told(small)
    seeds = [str(seed) for seed in sorted(alarms)]
    for text, names in [("missed", missed), ("flagged", flagged), ("broken", broken), ("false alarms", seeds)]:
        if names:
            print(f"{text}: {', '.join(names)}")
    return not (missed or flagged or broken or alarms)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bugs.sh", description="how soon the simulator finds planted bugs")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these patches (default: all)")
    parser.add_argument("--check", action="store_true", help="only see whether every patch applies to the present tree")
    parser.add_argument("--build", action="store_true", help="only see whether every patch applies and compiles")
    parser.add_argument("--seeds", type=int, default=5000, help="seeds in a campaign at most (default: 5000)")
    parser.add_argument("--campaigns", type=int, default=5, help="campaigns for each patch (default: 5)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="threads of the host (default: one for each core)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--shrink", type=int, default=0, metavar="RUNS", help="shrink each first find, in so many runs at most")
    parser.add_argument("--keep", metavar="DIR", help="keep the shrunk plans in this directory")
    options = parser.parse_args()
    chosen = patches(options.only)
    if options.check or options.build:
        sys.exit(0 if check(chosen) and (not options.build or compile_all(chosen)) else 1)
    sys.exit(0 if measure(chosen, options) else 1)


main()
