# Sourced by the examples: GStreamer finds the elements of the concealer that PYTHON (default: python3) has installed.
settings="$("${PYTHON:-python3}" -m pipelines.gst)" || {
    echo "concealer is not installed in ${PYTHON:-python3}: pip install it, or set PYTHON" >&2
    exit 1
}
eval "$settings"
SINK="${SINK:-autovideosink}"
PORT="${PORT:-5004}"
