"""The flags that the parts of bench.sh share, so that one line of flags does for all of them."""

import argparse

import data

# engram's forms: the name in the tables and the flags of benches/contender.rs.
FORMS = {f"engram {form}": ["--quant", form] for form in ("f32", "int8", "int4", "bin")}


def parse(description):
    """The flags, read from the command line."""
    parser = argparse.ArgumentParser(description=description)
    data.add_arguments(parser)
    parser.add_argument("--contender", required=True, help="the program of benches/contender.rs")
    parser.add_argument("--client", help="the program of benches/client.rs")
    parser.add_argument("--out", required=True, help="folder for tables, plots and made sets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build-rounds", type=int, default=1)
    parser.add_argument("--build-threads", type=int, nargs="+", default=[2, 1], choices=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.2, help="least seconds of searching per width and round, in process")
    parser.add_argument("--wire-seconds", type=float, default=2.0, help="seconds of searching per width and round, over the wire")
    parser.add_argument("--wire-builds", type=int, default=3, help="rounds of building in process and over the wire")
    parser.add_argument("--forms", nargs="+", default=["int8"], choices=["f32", "int8", "int4", "bin"], help="engram's forms over the wire")
    parser.add_argument("--only", help="names of contenders in process, with commas between")
    parser.add_argument("--engram", default="", help="more flags for engram's program in process")
    parser.add_argument("--server-args", default="", help="more flags for engram's server")
    parser.add_argument(
        "--clock",
        choices=["cpu", "wall"],
        default="cpu",
        help="searches in process: seconds are those that the process had a core (cpu), which a busy machine distorts less",
    )
    return parser.parse_args()


def engram(args, chosen, flags=()):
    """The command of engram's contender."""
    files = [chosen.base, chosen.query, chosen.neighbors, str(chosen.dim)]
    return [args.contender, *files, *flags, *args.engram.split()]
