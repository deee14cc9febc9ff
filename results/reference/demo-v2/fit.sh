#!/bin/bash
# Fit, code and score the reference streams of demo-v2: every fit of local-v2 without a record.
#
#     bash results/reference/demo-v2/fit.sh [CLIP/CODEC/POINT/SEED ...]
#
# A fit that was interrupted resumes from its state in results/state/demo-v2; after an edit of the sources, ADOPT=--adopt
# continues it. Takes eight to ninety minutes of one core a fit.
set -euo pipefail
cd "$(dirname "$0")/../../.."
work=results/state/demo-v2
[ $# -gt 0 ] || set -- bunny-320x180/{hnerv,nerv,enerv,ffnerv,hinerv}-matched-v2/bpp0.{12,18,27,40}/0 \
  city-320x180/{hnerv,nerv,enerv,ffnerv,hinerv}-matched-v2/bpp0.{18,40}/0 \
  city-320x180/{nerv,ffnerv}-matched-v2/bpp0.18/{1,2}
for fit; do
  IFS=/ read -r clip codec point seed <<< "$fit"
  out=results/reference/demo-v2/$clip/$codec/$point/seed$seed state=$work/$clip/$codec/$point/seed$seed
  [ ! -e "$out/record.json" ] || continue
  mkdir -p "$state"
  [ -e "$work/$clip/clip.json" ] || python -m bench prepare --condition local-v2 --clip "$clip" --out "$work/$clip"
  [ -e "$out/stream.bin" ] || python -m bench encode --condition local-v2 --codec "$codec" --point "$point" \
    --clip "$work/$clip/clip.json" --seed "$seed" --device cpu --out "$state/stream.bin" \
    --report "$state/encode.json" --state-dir "$state" ${ADOPT:-}
  mkdir -p "$out" # only now: the workflow refuses a reference folder without a stream
  [ -e "$out/stream.bin" ] || mv "$state/stream.bin" "$state/encode.json" "$out/"
  python -m bench measure --condition demo-v2 --codec "$codec" --point "$point" --clip "$work/$clip/clip.json" \
    --stream "$out/stream.bin" --report "$out/encode.json" --run "reference-seed$seed" --device cpu \
    --out "$out/record.json" --frames-csv "$state/frames.csv"
done
