#!/usr/bin/env bash
# What each quirk of released code changes: the runs behind docs/fidelity.md. Miniature data.
#
#     OUT=… benchmarks/fidelity.sh [PART …], of those at the end
#     python benchmarks/fidelity.py $OUT
set -euo pipefail
grid=(--sparsity 0.5,0.6 --seed 0,1,2 --tasks vqav2@400,nocaps@100)

layerwise() {
    harness run "${grid[@]}" --results "$OUT/layerwise" --pruner "$(join \
        "wanda" "local=wanda-bias-official" "local=wanda-padding-official" \
        "local=wanda-matrix-official" "wanda-official" "magnitude" "magnitude-official" \
        "sparsegpt" "sparsegpt-official" "local=sparsegpt-ecoflap-official" \
        "global-magnitude" "score=signed-magnitude-official budget=pooled-threshold local=scores" \
        "global-magnitude budget=pooled-threshold-official" "global-magnitude-official")"
}

first() {
    harness run "${grid[@]}" --results "$OUT/first" --pruner "$(join \
        "ecoflap-first" "ecoflap-first budget=capped-proportional-official" \
        "ecoflap-first score=first-order-aobd-official" "ecoflap-first-official" \
        "global-gradient" "global-gradient-official")"
}

zeroth() {
    harness run "${grid[@]}" --results "$OUT/zeroth" --pruner "$(join \
        "ecoflap" "ecoflap score.batch_size=8" "ecoflap score=zeroth-order-official" \
        "ecoflap-official")"
}

sparsegpt() {
    harness run "${grid[@]}" --results "$OUT/sparsegpt" --pruner "$(join \
        "ecoflap-sparsegpt" "ecoflap-sparsegpt-official")"
}

half() {
    harness run "${grid[@]}" --dtype bfloat16 --results "$OUT/half" --pruner "$(join \
        "ecoflap score.batch_size=8" "ecoflap score=zeroth-order-official")"
}

budgets() {
    harness run "${grid[@]}" --results "$OUT/budgets" --pruner "$(join \
        "wanda" "wanda budget=uniform-rows-official" "wanda-vit-official" \
        "wanda-variant" "wanda-variant-official" "owl" "owl-official" \
        "alphapruning" "alphapruning score=hill-official" "alphapruning-official" \
        "atp budget.beta=0.02" "atp-official budget.beta=0.02")"
}

relative() {
    harness run "${grid[@]}" --results "$OUT/relative" --pruner "ria,ria-official"
}

exchange() {
    harness run "${grid[@]}" --results "$OUT/exchange" --pruner "$(join \
        "dsnot" "local=wanda+dsnot-lists-official" "local=wanda+dsnot-skip-official" \
        "local=wanda+dsnot-variance-official" "dsnot-official")"
}

join() {
    local IFS=,
    echo "$*"
}

(($#)) || set -- layerwise first zeroth sparsegpt half budgets relative exchange
for part in "$@"; do
    $part
done
