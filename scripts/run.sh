#!/usr/bin/env bash
# Builds and runs one of the scripts: Node 20 cannot run TypeScript itself. Usage: scripts/run.sh campaign [options]
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
node_modules/.bin/tsc -p tsconfig.scripts.json
# Compiled code looks for targets/ and for onnxruntime next to itself.
ln -sfn ../../targets out/scripts/targets
ln -sfn ../../../test/onnxruntime out/scripts/test/onnxruntime
exec node "out/scripts/scripts/$name.js" "$@"
