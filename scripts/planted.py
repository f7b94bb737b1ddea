"""Many patches in one build: mutant schemata (Untch, Offutt and Harrold 1993, "Mutation analysis using mutant schemata").

A patch that changes nothing but the bodies of functions need not have the tree built for itself: each changed function gets all
its bodies, and a number from the environment says at run time which of them is run. `fn f(x) { A }` with patches 3 and 7
becomes `fn f(x) { match crate::planted() { 3 => { B } 7 => { C } _ => { A } } }`. Number 0 is the tree as it is.

Not so for constants, signatures, `const fn` and functions that return an `impl` type: such a patch wants a build of its own.
"""

import re

VARIABLE = "ENGRAM_PLANTED"
CHOICE = f"""
/// The number of the patch that is planted in this run.
#[must_use]
pub fn planted() -> u32 {{
    static PLANTED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *PLANTED.get_or_init(|| std::env::var("{VARIABLE}").ok().and_then(|number| number.parse().ok()).unwrap_or(0))
}}
"""
ROOT_FILE = "src/lib.rs"
HEAD = re.compile(r"^[ ]*((?:pub(?:\([^)]*\))? |const |unsafe |extern \"C\" )*)fn \w+", re.M)
OPENED = {"(": ")", "[": "]", "{": "}"}


def _word(text, at):
    """The offset behind the comment, string or character that begins at `at`, or none if none does."""
    if text.startswith("//", at):
        return text.index("\n", at)
    if raw := re.compile(r'b?r(#*)"').match(text, at):
        end = '"' + raw[1]
        return text.index(end, raw.end()) + len(end)
    if text[at] == '"':
        return re.compile(r'"(?:[^"\\]|\\.)*"', re.S).match(text, at).end()
    letter = re.compile(r"'(?:\\x..|\\u\{[^}]*\}|\\.|[^'\\])'").match(text, at)
    return letter and letter.end()


def _find(text, at, wanted):
    """The offset of the first of the characters `wanted` that stands in no bracket opened since `at`."""
    depth = 0
    while True:
        if behind := _word(text, at):
            at = behind
            continue
        if depth == 0 and text[at] in wanted:
            return at
        depth += (text[at] in OPENED) - (text[at] in OPENED.values())
        at += 1


def _parts(text):
    """The text around the bodies of the outermost functions, and those bodies in their braces (nothing where there is none)."""
    between, bodies, at = [], [], 0
    while head := HEAD.search(text, at):
        body = _find(text, _find(text, _find(text, head.end(), "(") + 1, ")") + 1, "{;")
        end = body if text[body] == ";" else _find(text, body + 1, "}") + 1
        between.append(text[at:body])
        bodies.append(text[body:end])
        at = end
    return [*between, text[at:]], bodies


def _choosable(before):
    """True if the function whose head ends `before` may have several bodies."""
    head = list(HEAD.finditer(before))[-1]
    return "const " not in head[1] and "-> impl " not in before[head.end() :]


def only_bodies(before, after):
    """True if a patch of these files, name to text, changes nothing but the bodies of functions that may have several."""
    for name, text in before.items():
        old, new = _parts(text), _parts(after[name])
        if not name.startswith("src/") or name == "src/main.rs" or old[0] != new[0]:
            return False
        changed = [place for place, pair in enumerate(zip(old[1], new[1])) if pair[0] != pair[1]]
        if not all(_choosable(old[0][place]) for place in changed):
            return False
    return True


def all_in_one(before, patched):
    """The files, name to text, with every patch in them: `patched` maps a patch's number to the files as it leaves them."""
    result = {}
    for name, text in before.items():
        between, bodies = _parts(text)
        others = [[] for _ in bodies]
        for number, files in patched.items():
            for place, body in enumerate(_parts(files[name])[1] if name in files else []):
                if body != bodies[place]:
                    others[place].append(f"{number} => {body}")
        for place, more in enumerate(others):
            if more:
                bodies[place] = f"{{ match crate::planted() {{ {' '.join(more)} _ => {bodies[place]} }} }}"
        result[name] = "".join(part for pair in zip(between, [*bodies, ""]) for part in pair)
    result[ROOT_FILE] += CHOICE
    return result
