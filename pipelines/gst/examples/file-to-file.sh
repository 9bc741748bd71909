#!/bin/sh
# Repair the video of a file: file-to-file.sh damaged.ts repaired.mkv (MPEG-TS, MP4 or Matroska in; Matroska out).
# The conceal command does the same with sound and subtitles; this is the shape of it for pipelines of your own.
. "$(dirname "$0")/environment.sh"
[ $# -eq 2 ] || { echo "usage: $0 IN OUT.mkv" >&2; exit 2; }
exec gst-launch-1.0 -e filesrc location="$1" ! parsebin ! concealdec deadline-ms=0 ! queue ! videoconvert ! \
    x264enc speed-preset=medium pass=quant quantizer=18 ! h264parse ! matroskamux ! filesink location="$2"
