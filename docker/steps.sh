#!/bin/sh
# The steps of the image, so that they can be run without Docker too (docker/check).
set -eu
case "$1" in
build) # FOLDER: wheels of this repository and of all that it needs
    pip wheel --quiet --no-cache-dir --wheel-dir "$2" '.[report,metrics]'
    ;;
install) # FOLDER
    pip install --quiet --no-cache-dir --no-index --find-links "$2" 'concealer[report,metrics]'
    ;;
esac
