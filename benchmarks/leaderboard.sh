#!/usr/bin/env bash
# Every recipe on the miniature model: the runs behind results/leaderboards. Miniature data.
#
#     OUT=results benchmarks/leaderboard.sh [recipe …]
#
# Three sparsities on parts of the splits, then 0.6 on the whole ones; last, training after pruning
# for as long as UPop trains. All with three seeds.
set -euo pipefail

(($#)) || set -- random magnitude global-magnitude wanda wanda-variant ria dsnot owl alphapruning \
    sparsegpt ecoflap ecoflap-first ecoflap-exact ecoflap-sparsegpt global-gradient upop
pruners=$(IFS=,; echo "$*")
harness run --pruner "$pruners" --seed 0,1,2 --results "$OUT" \
    --sparsity 0.5,0.6,0.7 --tasks vqav2@400,nocaps@100
harness run --pruner "$pruners" --seed 0,1,2 --results "$OUT" --sparsity 0.6 --tasks vqav2,nocaps
harness run --pruner wanda,ecoflap-exact --seed 0,1,2 --results "$OUT" \
    --sparsity 0.6 --tasks vqav2@400,nocaps@100 \
    --finetune "steps=400 lr=3e-4 batch_size=16 weight_decay=0.05"
