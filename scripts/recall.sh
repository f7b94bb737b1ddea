#!/usr/bin/env bash
# scripts/recall.sh [--base FILE.f32 --query FILE.f32 --neighbors FILE.u32 --dim N ...]: recall.py with what it needs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python
case " $* " in
    *" --help "* | *" -h "* | *" --port"*) ;;
    *) binary ;;
esac
"$(venv recall redis==8.* numpy)" -B "$ROOT/scripts/recall.py" "$@"
