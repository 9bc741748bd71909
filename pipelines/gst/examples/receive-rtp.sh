#!/bin/sh
# Receive RTP on $PORT, repair, show, with outlines of what was damaged (OVERLAY=false: without).
# Start send-rtp.sh in another terminal. CODEC=h265 for HEVC.
. "$(dirname "$0")/environment.sh"
[ "${CODEC:-h264}" = h265 ] && encoding=H265 || encoding=H264
exec gst-launch-1.0 -e udpsrc port="$PORT" buffer-size=2000000 \
    caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=$encoding,payload=96" ! \
    concealbin latency=100 overlay="${OVERLAY:-true}" ! queue ! videoconvert ! $SINK
