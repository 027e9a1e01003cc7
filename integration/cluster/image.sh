#!/usr/bin/env bash
# Builds Paifang and writes its image as a tar:
#
#     image.sh OUT.tar [NAME:TAG]      then, for example: kind load image-archive OUT.tar
#
# It prints the image's name. PAIFANG_BINARY takes a program that is built already.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
out=${1:?usage: image.sh OUT.tar [NAME:TAG]} name=${2:-$image}
binary=${PAIFANG_BINARY:-}
if [[ -z $binary ]]; then
    (cd "$checkout" && cargo build --release --locked >&2)
    target=${CARGO_TARGET_DIR:-$checkout/target}
    [[ $target == /* ]] || target=$checkout/$target
    binary=$target/release/paifang
fi
"$here/image.py" "$out" "$name" --user 65532:65532 --libs "/paifang=$binary"
