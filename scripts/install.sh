#!/usr/bin/env bash
# Set up a virtual environment with everything, Horovod built against its TensorFlow.
#   bash scripts/install.sh [FOLDER]      (default .venv of this checkout; PYTHON=python3.12 chooses the interpreter)
#   TENSORFLOW=cpu    for processors (default)
#   TENSORFLOW=cuda   for NVIDIA's GPUs too; it brings CUDA, and needs the driver alone
#   TENSORFLOW=none   none: that of the machine, whose Python (PYTHON) has it
# Quick and harmless when run again: it does nothing until what it installs or this script changes.
set -euo pipefail
case ${1:-} in
'') venv=.venv ;;
/*) venv=$1 ;;
*) venv=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
tensorflow=${TENSORFLOW:-cpu}
horovod=$(sed -n 's/^ *horovod==/horovod==/p' setup.cfg)

# what a user has pip do elsewhere would put packages elsewhere, leave some out, and take for installed what PYTHONPATH
# has
export PIP_USER=0
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_NO_DEPS PIP_DRY_RUN PIP_ONLY_BINARY PIP_NO_BINARY PIP_PRE
[ "$tensorflow" = none ] || unset PYTHONPATH PYTHONHOME

die() { echo "install: $*" >&2; exit 1; }
room() { df -Ph "$venv" 2>/dev/null | awk 'NR == 2 { print $4 " of room in " $6 }' || true; }

find_python() {
    local candidate
    set -- "$python"
    [ "$python" = python3 ] && set -- "$@" python3.12 python3.11 python3.10
    for candidate; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.10, 3.11 or 3.12 is needed ($python is $("$python" --version 2>&1 || true)): apt-get install python3 python3-venv python3-dev, or set PYTHON=/path/to/python3.11"
}

version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

case $tensorflow in
cpu | cuda) extras=",$tensorflow" own='' ;;
none) extras='' own='--system-site-packages' ;;
*) die "TENSORFLOW is '$tensorflow'; it is cpu, cuda or none" ;;
esac

there=''
if [ -L "$venv/bin/python" ] || [ -e "$venv/bin/python" ]; then
    there=$(version "$venv/bin/python") ||
        die "$venv/bin/python does not start; the Python that it was made from ($(readlink -f "$venv/bin/python")) may have gone: remove the environment (rm -r '$venv'), and give the same command again"
fi

interpreter=''
if [ "$python" != python3 ]; then
    interpreter=$(find_python) || exit 1
    asked=$(version "$interpreter")
    if [ -n "$there" ] && [ "$there" != "$asked" ]; then
        die "$venv has Python $there, and $python is $asked: remove it (rm -r '$venv'), or name another folder (make install VENV=.venv-$asked)"
    fi
fi

stamp=$venv/.installed
wanted="$tensorflow $(cat setup.cfg setup.py pipeline/*/*.c pipeline/*/*/*.[ch] scripts/install.sh | cksum)"
place=$(realpath --canonicalize-missing "$venv")
is_done() { [ "$(cat "$stamp" 2>/dev/null)" = "$wanted"$'\n'"$place" ]; }
is_done && exit 0

[ -n "$interpreter" ] || interpreter=$(find_python) || exit 1
"$interpreter" -c 'import venv, ensurepip' 2>/dev/null || die "Python's venv module is missing: apt-get install python3-venv"
# without TensorFlow there is no Horovod to build
if [ "$tensorflow" != none ] || "$interpreter" -c 'import sys, importlib.util as u; sys.exit(u.find_spec("tensorflow") is None)'; then
    compiler=${CXX:-g++}
    command -v "${compiler%% *}" >/dev/null || die "no C++ compiler ($compiler), which building Horovod needs: apt-get install g++, or set CXX"
    command -v make >/dev/null || die "no make, which building Horovod needs: apt-get install make"
    header=$("$interpreter" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    [ -e "$header" ] || die "Python's headers are missing ($header), which building Horovod needs: apt-get install python3-dev"
fi

mkdir -p "$venv" || die "no folder $venv can be made"
exec 9>>"$venv/.lock"
# two at once would install over each other; a file system may have no locks
flock -n 9 2>/dev/null || [ $? != 1 ] || {
    echo "install: another one is at work in $venv, and is waited for"
    flock 9
    if is_done; then exit 0; fi
}

echo "install: packages into $venv, TensorFlow for $tensorflow (about two minutes)"
# one that was killed while it made the environment has left Python without pip
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$interpreter" -m venv ${own:+"$own"} "$venv" ||
    die "$interpreter could not make an environment in $venv ($(room))"
if [ -e "$stamp" ] && [ "$(tail -n 1 "$stamp")" != "$place" ]; then
    # what activates it has its path, and its commands begin with that of its Python, as pip writes it in two ways
    "$venv/bin/python" -m venv ${own:+"$own"} "$venv"
    begins="'''exec' \"$place/bin/python\" \"\$0\" \"\$@\""
    find "$venv/bin" -maxdepth 1 -type f -exec grep -lIE "^(#!|'''exec' \"?)/.*/bin/python" {} + |
        while read -r command; do
            sed -i -e "2s|^'''exec' .*|$begins|" -e "1s|^#!/.*/bin/python.*|#!/bin/sh\n$begins\n' '''|" "$command"
        done
fi
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" ||
        die "pip ended with the error above ($(room)). Where it found no version of anything there is no way to a package index: set https_proxy or PIP_INDEX_URL. The same command goes on from here"
}
pip install 'pip>=24'
# setuptools 81 drops pkg_resources and cmake 4 drops old policies; Horovod's build needs both
pip install 'cmake<4' 'setuptools<81' wheel
if [ -e "$venv/.tensorflow" ] && [ "$(cat "$venv/.tensorflow")" != "$tensorflow" ]; then
    # two TensorFlows share their folder, and Horovod is built against one
    pip uninstall --yes tensorflow tensorflow-cpu horovod
fi
echo "$tensorflow" >"$venv/.tensorflow"
pip install --no-build-isolation --editable ".[dev,docs$extras]"
if ! ls pipeline/ffn/winograd/_winograd_*.so >/dev/null 2>&1; then
    echo "install: the C code of the network was not compiled (gcc 8 or newer does it: apt-get install gcc); OpenVINO and TensorFlow will run networks, more slowly"
fi
if ! ls pipeline/evaluation/_compiled*.so >/dev/null 2>&1; then
    echo "install: compiled.c was not compiled (as above); NumPy will count what is scored, the same, more slowly"
fi

ended=0
said=$("$venv/bin/python" -c 'import tensorflow' 2>&1) || ended=$?
if [ $ended != 0 ] && [ "$tensorflow" != none ]; then
    die "TensorFlow is installed, and cannot be imported (exit code $ended): $(tail -n 1 <<<"$said")"
elif [ $ended != 0 ]; then
    echo "install: no TensorFlow, so no Horovod: nothing can be trained here, and networks run on other engines"
elif ! "$venv/bin/python" -c 'import horovod.tensorflow as hvd; assert hvd.gloo_built()' 2>/dev/null; then
    with=(HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_GLOO=1)
    parts=Gloo
    # the compiler may be there without the headers
    if echo '#include <mpi.h>' | mpicxx -x c++ -fsyntax-only - 2>/dev/null; then
        with+=(HOROVOD_WITH_MPI=1) parts+=', MPI'
    else
        with+=(HOROVOD_WITHOUT_MPI=1)
    fi
    # NCCL takes NVIDIA's compiler with its toolkit, and its own headers
    toolkit=${CUDA_HOME:-/usr/local/cuda} nccl=''
    for folder in "${NCCL_HOME:-}" "$toolkit" /usr; do
        [ -n "$folder" ] && [ -e "$folder/include/nccl.h" ] && nccl=$folder && break
    done
    if [ "$tensorflow" != cpu ] && [ -x "$toolkit/bin/nvcc" ] && [ -n "$nccl" ]; then
        with+=(HOROVOD_GPU_OPERATIONS=NCCL "HOROVOD_CUDA_HOME=$toolkit" "HOROVOD_NCCL_HOME=$nccl") parts+=', NCCL'
    fi
    # pip keeps what it has built, whatever for
    [ "$tensorflow" = cpu ] && kept='' || kept='--no-cache-dir'
    echo "install: building $horovod with $parts (about two minutes on two cores)"
    log=$venv/horovod-build.log
    # its build takes a blank in a path for the end of it
    short=$(mktemp -d)
    trap 'rm -rf "$short"' EXIT
    ln -s "$(realpath "$venv")" "$short/venv"
    cmake=$short/venv/bin/horovod-cmake
    # half of the work would be a copy of Gloo that PyTorch would need, and debugging information; -O1 instead of -O3
    # saves an eighth of the rest, and what computes is not in Horovod. It forgets two headers, which gcc 13, as Ubuntu
    # 24.04 has it, does not bring along any more
    cat >"$cmake" <<'EOF'
#!/bin/sh
case $1 in
--build) folder=$2; shift 2; exec cmake --build "$folder" --target tensorflow "$@" ;;
*) exec cmake "$@" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -DNDEBUG -include stdexcept -include cstdint" ;;
esac
EOF
    chmod +x "$cmake"
    env HOROVOD_CMAKE="$cmake" "${with[@]}" MAKEFLAGS="-j$(nproc)" PATH="$short/venv/bin:$PATH" "$short/venv/bin/python" -m pip \
        --disable-pip-version-check wheel ${kept:+"$kept"} --no-build-isolation --no-deps --wheel-dir "$short" "$horovod" >"$log" 2>&1 ||
        die "building Horovod failed; $log has it: $(grep -iE '(^| )error: ' "$log" | grep -v 'subprocess-exited' | head -n 1)"
    if grep -q 'Using cached horovod' "$log"; then
        echo "install: pip had it built before, perhaps with other parts; 'pip cache remove horovod' makes it anew"
    fi
    pip install "$short"/horovod-*.whl
fi
printf '%s\n' "$wanted" "$place" >"$stamp"
echo "install: done"
