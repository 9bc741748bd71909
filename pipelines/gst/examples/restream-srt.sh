#!/bin/sh
# Receive RTP on $PORT, repair, encode, send on over SRT (listening on :$SRT_PORT).
# Look at it with: gst-launch-1.0 playbin uri=srt://127.0.0.1:7001, or ffplay srt://127.0.0.1:7001
. "$(dirname "$0")/environment.sh"
[ "${CODEC:-h264}" = h265 ] && encoding=H265 || encoding=H264
exec gst-launch-1.0 -e udpsrc port="$PORT" buffer-size=2000000 \
    caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=$encoding,payload=96" ! \
    concealbin latency=100 ! queue ! videoconvert ! \
    x264enc speed-preset=veryfast tune=zerolatency key-int-max=60 bitrate=4000 ! h264parse config-interval=-1 ! \
    mpegtsmux alignment=7 ! srtsink uri="srt://:${SRT_PORT:-7001}?mode=listener" wait-for-connection=false
