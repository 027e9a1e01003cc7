#!/usr/bin/env bash
# Builds Paifang and writes its image as a tar:
#
#     image.sh OUT.tar [NAME:TAG]      then, for example: kind load image-archive OUT.tar
#
# It prints the image's name. PAIFANG_BINARY takes a program that is built already.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
out=${1:?usage: image.sh OUT.tar [NAME:TAG]} name=${2:-$image}
binary=$(program)
"$here/image.py" "$out" "$name" --user 65532:65532 --libs "/usr/bin/paifang=$binary"
