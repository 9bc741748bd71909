#!/bin/sh
# Camera (a test picture where there is none), encoder, RTP, loss, repair, side by side with what avdec_h264 makes of
# the same packets. LOSS=0.03 is the share of packets that are dropped.
. "$(dirname "$0")/environment.sh"
if [ -e /dev/video0 ]; then
    source="v4l2src num-buffers=${BUFFERS:--1} ! decodebin"
else
    source="videotestsrc is-live=true pattern=ball num-buffers=${BUFFERS:--1} ! video/x-raw,width=640,height=360,framerate=30/1"
fi
exec gst-launch-1.0 -e $source ! videoconvert ! videoscale ! videorate ! \
    video/x-raw,format=I420,width=640,height=360,framerate=30/1 ! \
    x264enc speed-preset=veryfast tune=zerolatency sliced-threads=false key-int-max=90 bitrate=1500 option-string=slices=4 ! \
    rtph264pay mtu=600 config-interval=-1 ! identity drop-probability="${LOSS:-0.03}" ! tee name=packets \
    packets. ! queue ! concealbin latency=100 overlay="${OVERLAY:-true}" ! videoconvert ! queue ! sides.sink_0 \
    packets. ! queue ! rtpjitterbuffer latency=100 ! rtph264depay ! avdec_h264 output-corrupt=true ! videoconvert ! \
    queue ! sides.sink_1 \
    compositor name=sides sink_1::xpos=640 ! videoconvert ! $SINK
