#!/bin/sh
# The other end for the receivers: a test picture (or the file $1) as RTP with losses to 127.0.0.1:$PORT.
# CODEC=h265 for HEVC, LOSS=0.03 is the share of packets that are dropped.
. "$(dirname "$0")/environment.sh"
if [ "${CODEC:-h264}" = h265 ]; then
    encoder="x265enc speed-preset=ultrafast tune=zerolatency key-int-max=60 bitrate=3000"
else
    encoder="x264enc speed-preset=veryfast tune=zerolatency sliced-threads=false key-int-max=60 bitrate=3000 option-string=slices=8"
fi
if [ $# -gt 0 ]; then
    source="filesrc location=$1 ! decodebin ! videoconvert ! identity sync=true"
else
    source="videotestsrc is-live=true pattern=ball num-buffers=${BUFFERS:--1} ! video/x-raw,width=1280,height=720,framerate=30/1"
fi
exec gst-launch-1.0 $source ! videoconvert ! video/x-raw,format=I420 ! $encoder ! "rtp${CODEC:-h264}pay" mtu=1200 \
    config-interval=-1 ! identity drop-probability="${LOSS:-0.03}" ! udpsink host=127.0.0.1 port="$PORT"
