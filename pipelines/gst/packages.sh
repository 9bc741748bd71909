#!/bin/sh
# Give the Python named by $1 GStreamer: install Debian's or Ubuntu's packages where that is allowed, and let a virtual
# environment see the system's bindings, which no wheel carries. Says what it could not do; that is no failure.
set -u
python="$1"
packages="python3-gst-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-python3-plugin-loader gstreamer1.0-tools \
gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
gstreamer1.0-libav"

works() {
    "$python" -c 'import pipelines.gst.bindings as b; b.Gst.init(None)
assert all(map(b.Gst.ElementFactory.find, ("rtpjitterbuffer", "h264parse", "avdec_h264")))' 2>/dev/null &&
        command -v gst-inspect-1.0 >/dev/null && gst-inspect-1.0 python >/dev/null 2>&1
}

link_bindings() {
    system=/usr/bin/python3
    bindings="$("$system" -c 'import gi; print(gi.__path__[0])' 2>/dev/null)" || return 0
    version='import sys; print(sys.version_info[:2])'
    if "$python" -c 'import gi' 2>/dev/null; then return 0; fi
    if [ "$("$system" -c "$version")" != "$("$python" -c "$version")" ]; then
        echo "GStreamer: $python is not of the system's Python version, whose bindings it cannot use;" \
            "make PYTHON=$system takes that one"
        return 0
    fi
    ln -sfn "$bindings" "$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/gi"
}

link_bindings
if works; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "GStreamer: not installed, and there is no apt-get; its tests are skipped"
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "GStreamer: its tests are skipped. To have them: sudo apt-get install $packages"
    exit 0
fi
echo "GStreamer: installing Debian packages"
# shellcheck disable=SC2086
if ! $as_root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq &&
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $packages" >/dev/null; then
    echo "GStreamer: apt-get failed; its tests are skipped"
    exit 0
fi
link_bindings
works || echo "GStreamer: installed, but $python cannot use it; its tests are skipped"
