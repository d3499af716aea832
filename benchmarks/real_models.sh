#!/usr/bin/env bash
# Real weights on real data: the runs behind docs/benchmarks/real-models.md.
#
#     DATA=… MODELS=… SMOLLM2=… OUT=… benchmarks/real_models.sh [vit|blip|stories|smollm2 …]
#
# PRUNERS, SPARSITIES and SEEDS change what is run.
set -euo pipefail
cd "$(dirname "$0")"
pruners=(
    --pruner "${PRUNERS:-magnitude,wanda,ecoflap}"
    --sparsity "${SPARSITIES:-0.3,0.5,0.6}"
    --seed "${SEEDS:-0}"
)
photos=(--images "short=256 crop=224 mean=0.5 std=0.5")

vit() {
    harness eval --model "$MODELS/vit_tiny" "${photos[@]}" --tasks imagenet \
        --data "imagenet=$DATA/imagenet" --results "$OUT/vit"
    harness run --model "$MODELS/vit_tiny" "${photos[@]}" "${pruners[@]}" --tasks "imagenet@128:" \
        --data "imagenet=$DATA/imagenet" --results "$OUT/vit" \
        --calibration "imagefolder=$DATA/imagenet subset=:128"
}

blip() {
    harness run --model "$MODELS/blip_nano" "${photos[@]}" "${pruners[@]}" --config blip_nano.yaml \
        --data "coco-caption=$DATA/flickr8k,gqa=$DATA/daquar_gqa" --results "$OUT/blip" \
        --calibration "captions=$DATA/flickr8k"
    harness run --model "$MODELS/blip_nano" "${photos[@]}" "${pruners[@]}" \
        --config blip_nano_coco.yaml --data "coco-caption=$DATA/coco_mini" \
        --results "$OUT/blip-coco" --calibration "captions=$DATA/flickr8k"
}

stories() {
    harness run --model "$MODELS/stories260k" "${pruners[@]}" --limit 200 \
        --tasks wikitext/raw-w256,ptb/raw-w256 \
        --data "wikitext=$DATA/text/wikitext-2,ptb=$DATA/text/ptb" --results "$OUT/stories" \
        --calibration "text=$DATA/text/wikitext-2/wiki.valid.tokens window=256 special=false"
}

smollm2() {
    harness run --model "$SMOLLM2" "${pruners[@]}" --tasks wikitext/raw-w512 --limit 12 \
        --data "wikitext=$DATA/text/wikitext-2" --results "$OUT/smollm2" --batch-size 4 \
        --calibration "text=$DATA/text/wikitext-2/wiki.valid.tokens window=128 special=false"
}

for run in "${@:-vit blip stories smollm2}"; do
    for name in $run; do "$name"; done
done
