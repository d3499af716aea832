#!/usr/bin/env bash
# A small language model, dense and pruned, on lm-eval's usual tasks over local files.
#
# DATA=folder of *.jsonl MODEL=folder CALIBRATION="text=FILE" OUT=DIR benchmarks/lm_eval.sh [TASKS]
set -euo pipefail
cd "$(dirname "$0")/.."
: "${DATA:?}" "${MODEL:?}" "${CALIBRATION:?}" "${OUT:?}"
tasks=${1:-lm_eval:arc_easy,lm_eval:arc_challenge,lm_eval:hellaswag,lm_eval:boolq,lm_eval:winogrande,lm_eval:openbookqa,lm_eval:piqa,lm_eval:rte,lm_eval:mmlu/5shot}
python benchmarks/lm_eval_tasks.py "$DATA" "$OUT/tasks"
harness run --model "$MODEL" --pruner wanda --sparsity 0.5 --calibration "$CALIBRATION" \
    --tasks "$tasks" --include-path "$OUT/tasks" --results "$OUT/results" --device cpu
